//! stub

use crate::report::Report;
use crate::tools::Tools;
use std::path::Path;

pub(crate) fn image(_root: &Path, report: &mut Report, _tools: Option<&Tools>) {
    report.not_run("image", "soon");
}
