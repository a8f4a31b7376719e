//! Programs of the system that hold well-known ports: the setting that frees such a port, where an end of the program would not, or not
//! for long.

use crate::process::Process;

/// What to do about a port that a program of the system holds, if it is known.
pub(super) fn remedy(process: &Process, port: u16) -> Option<String> {
    let file = process.executable.as_deref().and_then(|path| {
        let name = path.to_str()?;
        name.rsplit(['/', '\\']).next()
    });
    let name = file.unwrap_or(&process.name).to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    Some(match (name, port) {
        // The short name is cut after 15 bytes.
        ("systemd-resolved" | "systemd-resolve", 53) => {
            "set `DNSStubListener=no` in /etc/systemd/resolved.conf, have /etc/resolv.conf lead to /run/systemd/resolve/resolv.conf, and `systemctl restart systemd-resolved`".to_owned()
        }
        ("systemd-resolved" | "systemd-resolve", 5355) => {
            "set `LLMNR=no` in /etc/systemd/resolved.conf and `systemctl restart systemd-resolved`".to_owned()
        }
        ("systemd-resolved" | "systemd-resolve", 5353) => {
            "set `MulticastDNS=no` in /etc/systemd/resolved.conf and `systemctl restart systemd-resolved`".to_owned()
        }
        ("controlcenter", 5000 | 7000) => {
            "turn AirPlay Receiver off, in System Settings under General, AirDrop & Handoff".to_owned()
        }
        ("svchost", _) => format!(
            "`tasklist /svc /fi \"PID eq {}\"` shows the services in it, and `net stop NAME` as administrator stops one",
            process.pid
        ),
        ("wslrelay", _) => {
            "end the server inside WSL; `wsl --shutdown` ends all that runs there".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn programs_of_the_system_have_settings_of_their_own() {
        for (executable, name, port, word) in [
            (
                "/usr/lib/systemd/systemd-resolved",
                "systemd-resolve",
                53,
                Some("DNSStubListener=no"),
            ),
            ("", "systemd-resolve", 53, Some("DNSStubListener=no")),
            ("", "systemd-resolve", 5355, Some("LLMNR=no")),
            ("", "systemd-resolve", 5353, Some("MulticastDNS=no")),
            ("", "systemd-resolve", 8080, None),
            (
                "/System/Library/CoreServices/ControlCenter.app/Contents/MacOS/ControlCenter",
                "ControlCenter",
                5000,
                Some("AirPlay Receiver"),
            ),
            ("", "ControlCenter", 7000, Some("AirPlay Receiver")),
            ("", "ControlCenter", 3000, None),
            (
                "C:\\Windows\\System32\\svchost.exe",
                "svchost.exe",
                135,
                Some("PID eq 4711"),
            ),
            (
                "C:\\Program Files\\WSL\\wslrelay.exe",
                "wslrelay.exe",
                3000,
                Some("wsl --shutdown"),
            ),
            ("/usr/bin/node", "node", 53, None),
            ("/usr/bin/dnsmasq", "dnsmasq", 53, None),
        ] {
            let mut process = Process::unknown(4711);
            process.executable = Some(PathBuf::from(executable)).filter(|_| !executable.is_empty());
            process.name = name.to_owned();
            let found = remedy(&process, port);
            match word {
                Some(word) => assert!(
                    found.as_ref().is_some_and(|text| text.contains(word)),
                    "{name} {port}: {found:?}"
                ),
                None => assert_eq!(found, None, "{name} {port}"),
            }
        }
    }
}
