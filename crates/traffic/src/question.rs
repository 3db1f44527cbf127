//! What is asked, and what the answer was.

use crate::Zone;
use crate::random::Random;
use crate::zone::Character;

/// A name, a type and the response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) query_type: &'static str,
    pub(crate) response_code: &'static str,
    pub(crate) asker: Asker,
    /// Where it is answered, whoever asks; none: wherever the asker's queries come to.
    pub(crate) edge: Option<&'static str>,
}

/// Who asks such a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Resolvers, each as often as it asks.
    Public,
    /// All resolvers alike.
    Botnet,
    /// A few addresses of one's own.
    Scanner,
    /// The addresses of one provider, as who tunnels has them.
    Client,
    /// Two addresses that never ask.
    Forged,
    /// One of the usual resolvers, always the same.
    Favourite,
    /// Some addresses of a network that never asks.
    Newcomer,
}

#[derive(Debug, Clone, Copy)]
enum Purpose {
    Host,
    Mail,
    Infrastructure,
    Typo,
    Probe,
    Service,
    Certificate,
    Wildcard,
}

/// Of ten thousand queries, by what they are for.
const PURPOSES: &[(Purpose, u32)] = &[
    (Purpose::Host, 9_330),
    (Purpose::Mail, 240),
    (Purpose::Infrastructure, 150),
    (Purpose::Typo, 140),
    (Purpose::Probe, 90),
    (Purpose::Service, 25),
    (Purpose::Certificate, 20),
    (Purpose::Wildcard, 5),
];
const WEB_TYPES: &[(&str, u32)] =
    &[("A", 5_600), ("AAAA", 3_050), ("HTTPS", 1_280), ("CNAME", 40), ("ANY", 15), ("SVCB", 10), ("TYPE64", 5)];
const SERVICE_TYPES: &[(&str, u32)] = &[("A", 7_100), ("AAAA", 2_700), ("SRV", 150), ("TXT", 50)];
const MAIL_TYPES: &[(&str, u32)] = &[("MX", 3_800), ("A", 3_200), ("AAAA", 1_500), ("TXT", 1_300), ("TLSA", 200)];
const APEX_TYPES: &[(&str, u32)] =
    &[("NS", 34), ("SOA", 26), ("DS", 14), ("CAA", 10), ("DNSKEY", 10), ("TXT", 4), ("SPF", 1), ("NAPTR", 1)];
const PROBE_TYPES: &[(&str, u32)] = &[("A", 80), ("AAAA", 8), ("TXT", 6), ("CNAME", 4), ("ANY", 2)];

/// What scanners try first, shortened from the lists that public tools carry.
const PROBES: &[&str] = &[
    "admin",
    "vpn",
    "dev",
    "test",
    "staging",
    "stage",
    "beta",
    "ftp",
    "remote",
    "portal",
    "git",
    "jenkins",
    "gitlab",
    "db",
    "mysql",
    "backup",
    "old",
    "intranet",
    "owa",
    "citrix",
    "demo",
    "ns1",
    "ns2",
    "cpanel",
    "webdisk",
    "mx",
    "grafana",
    "kibana",
    "prometheus",
    "vault",
    "consul",
    "k8s",
    "registry",
    "docker",
    "uat",
    "qa",
    "sandbox",
    "crm",
    "erp",
    "wiki",
    "jira",
    "confluence",
    "sso",
    "auth",
    "files",
    "download",
    "media",
    "video",
    "chat",
    "proxy",
];

impl Question {
    /// What is asked of a healthy zone, typing errors and scanners included.
    pub(crate) fn ordinary(zone: &Zone, random: &mut Random) -> Self {
        match zone.character {
            Character::Reverse => return Self::reverse(zone, random),
            // Nearly all: the rest is what every zone is asked.
            Character::Disposable if random.chance(0.9) => return Self::disposable(zone, random),
            _ => {}
        }
        let (label, query_type, found): (String, _, bool) = match random.weigh(PURPOSES) {
            Purpose::Host => (zone.hosts.draw(random).to_owned(), host_type(zone.character, random), true),
            Purpose::Mail => mail(random),
            Purpose::Infrastructure => (String::new(), random.weigh(APEX_TYPES), true),
            Purpose::Typo => (misspell(zone.hosts.draw(random), random), host_type(zone.character, random), false),
            Purpose::Probe => return Self::probe(zone, random),
            Purpose::Service => ("_sip._tcp".to_owned(), "SRV", false),
            Purpose::Certificate => ("_acme-challenge".to_owned(), "TXT", true),
            // Route 53 writes an asterisk in its octal escape.
            Purpose::Wildcard => ("\\052".to_owned(), "A", true),
        };
        let response_code = match random.below(10_000) {
            0..4 => "SERVFAIL",
            4..6 => "REFUSED",
            _ if found => "NOERROR",
            _ => "NXDOMAIN",
        };
        Self { name: below(&label, zone), query_type, response_code, asker: Asker::Public, edge: None }
    }

    /// One of a random-subdomain flood: names that nobody cached and nobody has.
    pub(crate) fn random_subdomain(zone: &Zone, random: &mut Random) -> Self {
        let length = 8 + random.below(13);
        let label = coded(LABEL_BYTES, length, random);
        let query_type = random.weigh(&[("A", 90), ("AAAA", 10)]);
        Self { name: below(&label, zone), query_type, response_code: "NXDOMAIN", asker: Asker::Botnet, edge: None }
    }

    /// The same where a wildcard record answers.
    pub(crate) fn random_subdomain_of_wildcard(zone: &Zone, random: &mut Random) -> Self {
        Self { response_code: "NOERROR", ..Self::random_subdomain(zone, random) }
    }

    /// One of a tunnel's: three labels of coded bytes and a counter, as dnscat2 and its like send them.
    pub(crate) fn tunnel(zone: &Zone, random: &mut Random) -> Self {
        let label = |random: &mut Random, bytes: usize| coded(&LABEL_BYTES[20..36], bytes, random);
        let labels: Vec<String> = (0..3).map(|_| label(random, 40)).collect();
        let query_type = random.weigh(&[("TXT", 60), ("CNAME", 20), ("MX", 20)]);
        Self {
            name: below(&labels.join("."), zone),
            query_type,
            response_code: "NOERROR",
            asker: Asker::Client,
            edge: None,
        }
    }

    /// One of a walk along a signed zone: what comes after a name that is there.
    pub(crate) fn walk(zone: &Zone, random: &mut Random) -> Self {
        let label = format!("{}{}", zone.hosts.draw(random), random.below(30));
        let (label, query_type) = match random.below(10) {
            0 => (String::new(), "DNSKEY"),
            1 => (label, "DS"),
            _ => (label, "NSEC"),
        };
        Self { name: below(&label, zone), query_type, response_code: "NOERROR", asker: Asker::Scanner, edge: None }
    }

    /// One of a reflection's: a small question with a large answer.
    pub(crate) fn reflection(zone: &Zone, random: &mut Random) -> Self {
        let query_type = random.weigh(&[("ANY", 70), ("TXT", 15), ("DNSKEY", 15)]);
        let name = below("", zone);
        Self { name, query_type, response_code: "NOERROR", asker: Asker::Forged, edge: None }
    }

    /// One of those whose names are made for one question: measurements, signatures, content networks.
    fn disposable(zone: &Zone, random: &mut Random) -> Self {
        let (id, part) = (coded(LABEL_BYTES, 20, random), random.below(8));
        let query_type = random.weigh(&[("A", 70), ("AAAA", 30)]);
        Self {
            name: below(&format!("{id}.p{part}.metric"), zone),
            query_type,
            response_code: "NOERROR",
            asker: Asker::Public,
            edge: None,
        }
    }

    /// One of a scanner's: a word of its list, alone, numbered or with an environment.
    pub(crate) fn probe(zone: &Zone, random: &mut Random) -> Self {
        let word = *random.pick(PROBES);
        let label = match random.below(4) {
            0 => word.to_owned(),
            1 => format!("{word}{}", 1 + random.below(20)),
            2 => format!("{word}-{}", random.pick(&["dev", "prod", "eu", "us", "int", "old", "new", "01", "02"])),
            _ => format!("{}.{word}", random.pick(PROBES)),
        };
        let query_type = random.weigh(PROBE_TYPES);
        let response_code = if random.chance(0.04) { "NOERROR" } else { "NXDOMAIN" };
        Self { name: below(&label, zone), query_type, response_code, asker: Asker::Scanner, edge: None }
    }

    fn reverse(zone: &Zone, random: &mut Random) -> Self {
        let label = zone.hosts.draw(random).to_owned();
        // Which addresses have a name does not change: two in five have none.
        let found = label.parse::<u32>().is_ok_and(|octet| octet * 7 % 5 > 1);
        let response_code = if found { "NOERROR" } else { "NXDOMAIN" };
        let query_type = random.weigh(&[("PTR", 97), ("SOA", 2), ("NS", 1)]);
        Self { name: below(&label, zone), query_type, response_code, asker: Asker::Public, edge: None }
    }
}

fn coded(alphabet: &[u8], length: usize, random: &mut Random) -> String {
    (0..length).map(|_| char::from(*random.pick(alphabet))).collect()
}

const LABEL_BYTES: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

fn host_type(character: Character, random: &mut Random) -> &'static str {
    random.weigh(match character {
        Character::Web => WEB_TYPES,
        Character::Service | Character::Reverse | Character::Disposable => SERVICE_TYPES,
        Character::Mail => MAIL_TYPES,
    })
}

fn mail(random: &mut Random) -> (String, &'static str, bool) {
    let (label, query_type, found) = match random.below(6) {
        0 | 1 => ("", "MX", true),
        2 => ("_dmarc", "TXT", true),
        3 => ("selector1._domainkey", "TXT", true),
        4 => ("_spf", "TXT", true),
        _ => ("default._domainkey", "TXT", false),
    };
    (label.to_owned(), query_type, found)
}

/// A label with one letter doubled, left out or changed; an empty one becomes a `www` gone wrong.
fn misspell(label: &str, random: &mut Random) -> String {
    let mut letters: Vec<u8> = label.bytes().collect();
    if letters.len() < 2 {
        return (*random.pick(&["ww", "wwww", "wwe", "http", "wwwww"])).to_owned();
    }
    let place = random.below(letters.len());
    let letter = *random.pick(&LABEL_BYTES[..26]);
    match random.below(3) {
        0 => letters.insert(place, letter),
        1 if letters[place] != b'.' => drop(letters.remove(place)),
        _ => letters[place] = letter,
    }
    let text: String = letters.into_iter().map(char::from).collect();
    // A slip can leave an empty label behind; no resolver would send it.
    if text.split('.').any(str::is_empty) || text == label { format!("{label}q") } else { text }
}

fn below(label: &str, zone: &Zone) -> String {
    if label.is_empty() { zone.name.to_string() } else { format!("{label}.{}", zone.name) }
}
