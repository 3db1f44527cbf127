output "bucket_name" {
  description = "Where the page's files go."
  value       = aws_s3_bucket.page.id
}

output "distribution_id" {
  description = "The distribution, for invalidations."
  value       = aws_cloudfront_distribution.page.id
}

output "domain_name" {
  description = "CloudFront's name of the page."
  value       = aws_cloudfront_distribution.page.domain_name
}
