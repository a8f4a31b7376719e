//! What `sc queryex` prints: a block a service, with its name in the first line and its PID further down.

/// The name of the service that runs in this process. A process with several services (`svchost.exe`) gives the first.
pub(super) fn service(listed: &str, pid: u32) -> Option<String> {
    let mut name = None;
    for line in listed.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key.trim() {
            "SERVICE_NAME" => name = Some(value.trim()),
            "PID" if pid != 0 && value.trim().parse() == Ok(pid) => {
                return name.filter(|name| !name.is_empty()).map(str::to_owned);
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LISTED: &str = "\r
SERVICE_NAME: Dnscache\r
DISPLAY_NAME: DNS Client\r
        TYPE               : 30  WIN32  \r
        STATE              : 4  RUNNING \r
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\r
        WIN32_EXIT_CODE    : 0  (0x0)\r
        SERVICE_EXIT_CODE  : 0  (0x0)\r
        CHECKPOINT         : 0x0\r
        WAIT_HINT          : 0x0\r
        PID                : 1432\r
        FLAGS              : \r
\r
SERVICE_NAME: W3SVC\r
DISPLAY_NAME: World Wide Web: Publishing\r
        TYPE               : 20  WIN32_SHARE_PROCESS  \r
        PID                : 2200\r
        FLAGS              : \r
\r
SERVICE_NAME: Stopped\r
        PID                : 0\r
";

    #[test]
    fn the_service_of_a_process_is_found_by_its_pid() {
        assert_eq!(service(LISTED, 1432).as_deref(), Some("Dnscache"));
        assert_eq!(service(LISTED, 2200).as_deref(), Some("W3SVC"));
        assert_eq!(service(LISTED, 77), None);
        assert_eq!(service(LISTED, 0), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>(), pid in any::<u32>()) {
            let _ = service(&text, pid);
        }
    }
}
