//! Dashboards: made from their sources, held against Grafana's own types, and every query asked of a live Prometheus that
//! scrapes a demo worker.

use super::commands::{output, refused, summed_up};
use super::generated;
use crate::checks::{binary, cargo};
use crate::emulators::{self, Server};
use crate::full::NO_TOOLS;
use crate::report::Report;
use crate::say;
use crate::tools::{self, Packaging, Tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A day of the demo passes in so many times less: in 72 s.
const SPEED: &str = "1200";
/// How long is scraped. Two days and more: zones have no scores in their first day, and every incident begins and ends.
const LASTS: Duration = Duration::from_secs(160);
const FILES: [&str; 3] = ["fleet", "zones", "findings"];

/// The part `dashboards`.
pub(crate) fn dashboards(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let Some(tools) = tools else { return report.not_run("dashboards", NO_TOOLS) };
    let place = report.step("dashboards: tools", || {
        let scratch = root.join(".cache/dashboards");
        fs::create_dir_all(&scratch).map_err(|error| format!("make {}: {error}", scratch.display()))?;
        Ok(Place { root, tools, packaging: tools::install_packaging(root, tools)?, scratch })
    });
    let Some(place) = place else { return };
    report.step("dashboards are their sources'", || generated::same_dashboards(root));
    report.step("dashboards: Grafana's types", || place.types());
    if !tools::answers("prometheus", &["--version"]) {
        return report.not_run("dashboards: every query", "prometheus is missing (Debian: prometheus)");
    }
    if !tools::answers("setpriv", &["--version"]) {
        return report.not_run("dashboards: every query", "setpriv is missing (Debian: util-linux)");
    }
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    report.step("dashboards: every query", || place.queries());
}

/// Where things are.
struct Place<'a> {
    root: &'a Path,
    tools: &'a Tools,
    packaging: Packaging,
    scratch: PathBuf,
}

impl Place<'_> {
    fn dashboards(&self) -> [PathBuf; 3] {
        FILES.map(|name| self.root.join(format!("deploy/grafana/{name}.json")))
    }

    /// Grafana's types and our own rules; each is seen to find a fault.
    fn types(&self) -> Result<(), String> {
        summed_up("Grafana", &mut self.check(&self.dashboards()))?;
        let whole = self.dashboard("fleet")?;
        for (from, to, complaint) in [
            ("\"showPoints\": \"never\"", "\"showPoints\": \"seldom\"", "'\"seldom\"' is not assignable"),
            ("\"graphTooltip\"", "\"graphToolTip\"", "'\"graphToolTip\"' does not exist"),
            ("\"unit\": \"reqps\"", "\"unit\": \"queries\"", "has the unit queries"),
            ("\"y\": 1,", "\"y\": 2,", "lies over"),
            ("$worker", "$instance", "there is no variable instance"),
            ("${datasource}", "abcdef", "is one installation's"),
        ] {
            refused(to, complaint, output(&mut self.check(&[self.faulty(&whole, from, to)?])))?;
        }
        Ok(())
    }

    fn check(&self, files: &[PathBuf]) -> Command {
        let mut command = Command::new("node");
        command.arg(self.root.join("tools/dashboards/check_grafana.mjs")).args(files);
        command.env("ZONEWATCH_TOOLS", &self.tools.folder);
        command
    }

    fn dashboard(&self, name: &str) -> Result<String, String> {
        let file = self.root.join(format!("deploy/grafana/{name}.json"));
        fs::read_to_string(&file).map_err(|error| format!("read {}: {error}", file.display()))
    }

    fn faulty(&self, whole: &str, from: &str, to: &str) -> Result<PathBuf, String> {
        let (file, edited) = (self.scratch.join("faulty.json"), whole.replacen(from, to, 1));
        if edited == whole {
            return Err(format!("there is no {from:?} to make faulty"));
        }
        fs::write(&file, edited).map_err(|error| format!("write {}: {error}", file.display())).map(|()| file)
    }

    /// Plays a day of the demo before a Prometheus and asks it every query.
    fn queries(&self) -> Result<(), String> {
        let [page, metrics, prometheus] = emulators::free_ports()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut demo = Command::new(binary(self.root));
        demo.args(["demo", "--speed", SPEED, "--for", "10m"]);
        demo.args(["--port", &page.to_string(), "--metrics-port", &metrics.to_string()]);
        let log = |name: &str| emulators::log_folder(self.root).map(|folder| folder.join(name));
        let mut demo = emulators::spawn("the demo", demo, metrics, log("demo.log")?)?;
        demo.wait_until_it_answers()?;
        let _prometheus = self.prometheus(metrics, prometheus, log("prometheus.log")?)?;
        say(&format!("a demo worker is scraped for {} s", LASTS.as_secs()));
        std::thread::sleep(LASTS);

        let whole = self.dashboard("fleet")?;
        for (from, to, complaint) in [
            (
                "count(zonewatch_build_info",
                "count(zonewatch_build_inf",
                "the program has no metric zonewatch_build_inf",
            ),
            ("count(zonewatch_build_info{instance", "count(zonewatch_build_info{worker", "has no label worker"),
            ("count(zonewatch_build_info", "coun(zonewatch_build_info", "unknown function"),
            ("instance=~\\\"$worker\\\"}", "instance=~\\\"nobody\\\"}", "no data"),
        ] {
            refused(to, complaint, self.asked(prometheus, since, &[self.faulty(&whole, from, to)?]))?;
        }
        match self.asked(prometheus, since, &self.dashboards()) {
            Ok(said) => {
                say(said.trim_end());
                Ok(())
            }
            Err(said) => {
                let bad = said.lines().filter(|line| line.starts_with("FAIL")).count();
                Err(format!("{bad} queries return no data\n{said}"))
            }
        }
    }

    fn asked(&self, prometheus: u16, since: u64, files: &[PathBuf]) -> Result<String, String> {
        let mut live = self.packaging.python(self.tools);
        live.arg(self.root.join("tools/dashboards/live.py"));
        live.args([format!("http://127.0.0.1:{prometheus}"), since.to_string()]);
        live.arg(self.root.join("crates/zonewatch/src/telemetry.rs"));
        output(live.arg(self.root.join("deploy/kubernetes/prometheus-adapter.yaml")).args(files))
    }

    /// A Prometheus that scrapes each second, with the labels that the operator would add. It dies with this process.
    fn prometheus(&self, metrics: u16, port: u16, log: PathBuf) -> Result<Server, String> {
        let (config, data) = (self.scratch.join("prometheus.yml"), self.scratch.join("prometheus"));
        let text = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: zonewatch\n    static_configs:\n      \
             - targets: [\"127.0.0.1:{metrics}\"]\n        labels: {{ namespace: zonewatch, pod: demo }}\n"
        );
        fs::write(&config, text).map_err(|error| format!("write {}: {error}", config.display()))?;
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|error| format!("remove {}: {error}", data.display()))?;
        }
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "prometheus"]).arg("--config.file").arg(config);
        command.arg("--storage.tsdb.path").arg(data).arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut server = emulators::spawn("Prometheus", command, port, log)?;
        server.wait_until_it_answers()?;
        Ok(server)
    }
}
