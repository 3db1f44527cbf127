//! Kubernetes: both forms are rendered, compared object by object, held against Kubernetes' and the operator's own
//! definitions and our own rules, and the settings in them are given to the program.

use super::commands::{output, refused, summed_up, text};
use super::generated;
use crate::checks::{binary, cargo};
use crate::full::NO_TOOLS;
use crate::report::Report;
use crate::tools::{self, Packaging, Tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest version that the chart asks for, and the newest that the schemas know.
const VERSIONS: [&str; 3] = ["1.30", "1.34", "1.37"];
/// Each form: its name, the kustomization, the namespace that it names, and the chart's values beside the defaults.
const FORMS: [Form; 4] = [
    Form { name: "defaults", kustomization: "base", namespace: "zonewatch", values: None },
    Form {
        name: "development",
        kustomization: "overlays/development",
        namespace: "zonewatch-dev",
        values: Some("development"),
    },
    Form { name: "irsa", kustomization: "overlays/irsa", namespace: "zonewatch", values: Some("irsa") },
    Form {
        name: "pod-identity",
        kustomization: "overlays/pod-identity",
        namespace: "zonewatch",
        values: Some("pod-identity"),
    },
];

struct Form {
    name: &'static str,
    kustomization: &'static str,
    namespace: &'static str,
    values: Option<&'static str>,
}

/// Where things are.
struct Place<'a> {
    root: &'a Path,
    tools: &'a Tools,
    packaging: Packaging,
    /// Takes what is rendered.
    scratch: PathBuf,
}

/// The part `kubernetes`.
pub(crate) fn kubernetes(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let Some(tools) = tools else { return report.not_run("Kubernetes", NO_TOOLS) };
    let place = report.step("Kubernetes: tools", || {
        let scratch = root.join(".cache/kubernetes");
        fs::create_dir_all(&scratch).map_err(|error| format!("make {}: {error}", scratch.display()))?;
        Ok(Place { root, tools, packaging: tools::install_packaging(root, tools)?, scratch })
    });
    let Some(place) = place else { return };
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    report.step("Kubernetes: rules are the files'", || generated::same_rules(root));
    report.step("Kubernetes: chart", || place.chart());
    for form in &FORMS {
        report.step(&format!("Kubernetes: {}", form.name), || place.form(form));
    }
    report.step("Kubernetes: a second fleet", || place.second_fleet());
    report.step("Kubernetes: faults are seen", || place.faults());
}

impl Place<'_> {
    /// Lints the chart with each set of values, packs it and looks for what a package must have.
    fn chart(&self) -> Result<(), String> {
        let chart = self.root.join("deploy/kubernetes/chart");
        for values in FORMS.iter().map(|form| form.values) {
            let mut lint = Command::new(self.packaging.program("helm"));
            lint.args(["lint", "--strict"]).arg(&chart).args(self.values(values));
            summed_up(&format!("helm lint, {}", values.unwrap_or("defaults")), &mut lint)?;
        }
        let mut package = Command::new(self.packaging.program("helm"));
        output(package.arg("package").arg(&chart).arg("--destination").arg(&self.scratch))?;
        let packed = self.scratch.join(format!("zonewatch-{}.tgz", env!("CARGO_PKG_VERSION")));
        let listed = output(Command::new("tar").arg("-tzf").arg(&packed)).map_err(|error| {
            format!("{error}the chart's version and the program's, {}, must agree", env!("CARGO_PKG_VERSION"))
        })?;
        for file in ["zonewatch/files/rules/", "zonewatch/values.schema.json"] {
            if !listed.contains(file) {
                return Err(format!("the packed chart has no {file}:\n{listed}"));
            }
        }
        Ok(())
    }

    /// Everything about one form.
    fn form(&self, form: &Form) -> Result<(), String> {
        let (kustomize, chart) = (self.kustomized(form)?, self.templated(form)?);
        let [kustomize, chart] = [("kustomize", kustomize), ("chart", chart)].map(|(kind, objects)| {
            let file = self.scratch.join(format!("{}-{kind}.yaml", form.name));
            fs::write(&file, objects).map_err(|error| format!("write {}: {error}", file.display())).map(|()| file)
        });
        let (kustomize, chart) = (kustomize?, chart?);
        summed_up("kustomize and chart", &mut self.script("compare.py", &[&kustomize, &chart]))?;
        summed_up("rules", &mut self.rules(&kustomize)?)?;
        self.schemas(&kustomize)?;
        self.operator(&kustomize)?;
        self.settings(&kustomize)
    }

    /// A release of another name in the namespace of the first: nothing of one selects what is the other's.
    fn second_fleet(&self) -> Result<(), String> {
        let mut helm = Command::new(self.packaging.program("helm"));
        helm.args(["template", "night"])
            .arg(self.root.join("deploy/kubernetes/chart"))
            .args(["--namespace", "zonewatch"]);
        let (file, objects) = (self.scratch.join("second.yaml"), text(&mut helm)?);
        fs::write(&file, &objects).map_err(|error| format!("write {}: {error}", file.display()))?;
        if objects.contains("app.kubernetes.io/instance: zonewatch")
            || objects.contains("  name: zonewatch\n  namespace")
        {
            return Err(format!("{} names the first fleet", file.display()));
        }
        summed_up("rules", &mut self.rules(&file)?)
    }

    /// What kustomize renders. The base names no namespace, so it gets one as anybody's overlay would give it.
    fn kustomized(&self, form: &Form) -> Result<String, String> {
        let overlay = self.scratch.join("overlay");
        let given =
            format!("resources: [../../../deploy/kubernetes/{}]\nnamespace: {}\n", form.kustomization, form.namespace);
        let written = fs::create_dir_all(&overlay).and_then(|()| fs::write(overlay.join("kustomization.yaml"), given));
        written.map_err(|error| format!("write below {}: {error}", overlay.display()))?;
        text(Command::new(self.packaging.program("kubectl")).arg("kustomize").arg(overlay))
    }

    /// What Helm renders.
    fn templated(&self, form: &Form) -> Result<String, String> {
        let mut helm = Command::new(self.packaging.program("helm"));
        helm.args(["template", "zonewatch"]).arg(self.root.join("deploy/kubernetes/chart"));
        text(helm.args(["--namespace", form.namespace]).args(self.values(form.values)))
    }

    fn values(&self, name: Option<&str>) -> Vec<String> {
        let file = |name: &str| self.root.join(format!("deploy/kubernetes/chart/ci/{name}-values.yaml"));
        name.map_or_else(Vec::new, |name| vec!["--values".to_owned(), file(name).display().to_string()])
    }

    fn script(&self, name: &str, files: &[&Path]) -> Command {
        let mut command = self.packaging.python(self.tools);
        command.arg(self.root.join("tools/kubernetes").join(name)).args(files);
        command
    }

    fn rules(&self, objects: &Path) -> Result<Command, String> {
        let adapter = self.root.join("deploy/kubernetes/prometheus-adapter.yaml");
        let mut command = self.script("rules.py", &[objects, &adapter]);
        command.arg(drain_secs(self.root)?.to_string());
        Ok(command)
    }

    /// Kubernetes' own definitions, in each version.
    fn schemas(&self, objects: &Path) -> Result<(), String> {
        for version in VERSIONS {
            let said = self.validated(objects, version)?;
            crate::say(&format!(
                "Kubernetes {version}: {} objects hold to its schemas",
                said.matches(" passed ").count()
            ));
        }
        Ok(())
    }

    fn validated(&self, objects: &Path, version: &str) -> Result<String, String> {
        let file = self.scratch.join("core.yaml");
        let mut core = self.packaging.python(self.tools);
        core.arg(self.root.join("tools/kubernetes/objects.py")).arg("core").arg(objects);
        fs::write(&file, text(&mut core)?).map_err(|error| format!("write {}: {error}", file.display()))?;
        let mut validate = self.packaging.script(self.tools, "kubernetes-validate");
        output(validate.args(["--strict", "-k", version]).arg(&file))
    }

    /// The operator's definitions, if the form has objects of it.
    fn operator(&self, objects: &Path) -> Result<(), String> {
        let file = self.scratch.join("operator.json");
        let mut list = self.packaging.python(self.tools);
        list.arg(self.root.join("tools/kubernetes/objects.py")).arg("operator").arg(objects);
        let list = text(&mut list)?;
        if list.trim() == "[]" {
            crate::say("the operator: no objects of it here");
            return Ok(());
        }
        fs::write(&file, list).map_err(|error| format!("write {}: {error}", file.display()))?;
        let mut check = Command::new("node");
        check.arg(self.root.join("tools/kubernetes/check_operator.mjs")).arg(&file);
        summed_up("the operator", check.env("ZONEWATCH_TOOLS", &self.tools.folder))
    }

    /// The worker's own word on its settings: it knows every key, and each value.
    fn settings(&self, objects: &Path) -> Result<(), String> {
        let mut list = self.packaging.python(self.tools);
        list.arg(self.root.join("tools/kubernetes/objects.py")).arg("environment").arg(objects);
        let environment = text(&mut list)?;
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        let mut worker = Command::new(binary(self.root));
        worker.args(["worker", "--check"]).env_clear().envs(variables);
        summed_up(&format!("{} settings", environment.lines().count()), &mut worker)
    }

    /// Each check is seen to find a fault.
    fn faults(&self) -> Result<(), String> {
        let form = FORMS.iter().find(|form| form.name == "irsa").expect("there is such a form");
        let (kustomize, chart) = (self.kustomized(form)?, self.templated(form)?);
        let whole = self.scratch.join("whole.yaml");
        fs::write(&whole, &chart).map_err(|error| format!("write {}: {error}", whole.display()))?;
        for (check, from, to, complaint) in FAULTS {
            let faulty = self.scratch.join("faulty.yaml");
            let edited = kustomize.replace(from, to);
            if edited == kustomize {
                return Err(format!("there is no {from:?} to make faulty"));
            }
            fs::write(&faulty, edited).map_err(|error| format!("write {}: {error}", faulty.display()))?;
            let outcome = match check {
                Check::Compare => output(&mut self.script("compare.py", &[&faulty, &whole])),
                Check::Rules => output(&mut self.rules(&faulty)?),
                Check::Schemas => self.validated(&faulty, VERSIONS[0]),
                Check::Operator => self.operator(&faulty).map(|()| String::new()),
                Check::Settings => self.settings(&faulty).map(|()| String::new()),
            };
            refused(&format!("{to:?} for {from:?}"), complaint, outcome)?;
        }
        let mut lint = Command::new(self.packaging.program("helm"));
        lint.args(["lint", "--strict", "--set", "image.repo=x"]).arg(self.root.join("deploy/kubernetes/chart"));
        refused("a value that the chart does not have", "additional properties 'repo' not allowed", output(&mut lint))
    }
}

/// Which check has to find a fault.
#[derive(Clone, Copy)]
enum Check {
    Compare,
    Rules,
    Schemas,
    Operator,
    Settings,
}

/// Faults one at a time: who finds it, what is changed into what, and what is said then.
const FAULTS: [(Check, &str, &str, &str); 15] = [
    (Check::Compare, "minReadySeconds: 10", "minReadySeconds: 11", "minReadySeconds: 11 and 10"),
    (Check::Compare, "value: \"true\"", "value: true", "value: True and 'true'"),
    (
        Check::Compare,
        "kind: PodDisruptionBudget",
        "kind: Budget",
        "PodDisruptionBudget zonewatch zonewatch: only in the second",
    ),
    (Check::Schemas, "minReadySeconds:", "minReadySecond:", "minReadySecond"),
    (Check::Schemas, "maxReplicas: 10", "maxReplicas: ten", "ten"),
    (Check::Operator, "interval: 15s", "interval: 15x", "interval"),
    (Check::Operator, "scrapeTimeout:", "scrapeTimeOut:", "scrapeTimeOut"),
    (Check::Rules, "runAsUser: 65532", "runAsUser: 0", "runAsUser of the pod is 0"),
    (Check::Rules, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "readOnlyRootFilesystem"),
    (Check::Rules, "terminationGracePeriodSeconds: 20", "terminationGracePeriodSeconds: 10", "10 s to end are too few"),
    (Check::Rules, "value: \"503316480\"", "value: \"536870912\"", "held_bytes_max"),
    (Check::Rules, "k8s-app: kube-dns", "app.kubernetes.io/name: zonewatch", "our own labels on the pods of others"),
    (
        Check::Rules,
        "name: zonewatch_behind_seconds",
        "name: zonewatch_lag",
        "no rule of the adapter serves zonewatch_lag",
    ),
    (Check::Rules, "targetPort: operations", "targetPort: metrics", "Service leads to metrics"),
    (Check::Settings, "ZONEWATCH_SOURCE__STREAM", "ZONEWATCH_SOURCE__STRAEM", "unknown key ZONEWATCH_SOURCE__STRAEM"),
];

/// How long a worker takes from SIGTERM to its end at most, as its source says.
fn drain_secs(root: &Path) -> Result<f64, String> {
    let path = root.join("crates/zonewatch/src/cli/worker.rs");
    let source = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let millis = |constant: &str| {
        let (_, rest) = source.split_once(&format!("const {constant}: Duration = Duration::from_millis("))?;
        rest.split_once(')')?.0.replace('_', "").parse::<f64>().ok()
    };
    let parts = [millis("DRAIN_MAX"), millis("LAST_ANSWERS_MAX")];
    let [Some(drain), Some(answers)] = parts else {
        return Err(format!("read {}: it says no DRAIN_MAX and LAST_ANSWERS_MAX in milliseconds", path.display()));
    };
    Ok((drain + answers) / 1_000.0)
}
