output "zonewatch" {
  description = "Names that the steps of deploy/README.md need."
  value       = module.zonewatch
}
