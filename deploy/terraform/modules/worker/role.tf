# The role in which workers call AWS; modules/program says what it may do.

resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-worker-"
  description        = "What a Zonewatch worker may do"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "worker"
  role   = aws_iam_role.task.id
  policy = var.policy_json
}
