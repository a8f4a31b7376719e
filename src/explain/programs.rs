//! Programs that are known for starting others, by their names and command lines.
//!
//! A process can call itself what it likes. What comes of a name here is shown to a person.

use std::time::Duration;

use super::origin::{Origin, quoted};
use crate::editor::editor;
use crate::names::{Names, SHELLS, base, plain};
use crate::process::Process;
use crate::supervisor::known;
use crate::sys::Task;

// Lists of names, each for a reason: who is at work there, what starts it again, or the command that was typed.

const EDITORS: &str = "code code-insiders code-server codium cursor windsurf zed zed-editor nvim vim vi emacs hx helix kak subl \
    sublime_text idea webstorm pycharm goland clion rustrover phpstorm rubymine rider fleet eclipse devenv xcode";

const RUNNERS: &str = "npm npx pnpm yarn bun deno turbo nx concurrently npm-run-all gulp grunt make gmake just task rake cargo \
    gradle mvn sbt foreman overmind hivemind honcho goreman poetry pipenv uv pdm hatch invoke mix bazel go dotnet composer";

const CRONS: &str = "cron crond fcron anacron atd";
const SSH: &str = "sshd sshd-session dropbear mosh-server";
const MULTIPLEXERS: &str = "tmux screen zellij";
/// What a person is logged in by or works in, or becomes another user by: ended, it takes along what was started there.
const SESSIONS: &str = "login agetty getty su sudo doas run0 pkexec runuser xinit startx xorg x xwayland gdm gdm-session-worker gdm-x-session \
    gdm-wayland-session lightdm sddm sddm-helper ly greetd gnome-session gnome-session-binary gnome-session-service gnome-shell mutter \
    ksmserver plasmashell plasma_session startplasma-x11 startplasma-wayland kwin_x11 kwin_wayland krunner xfce4-session xfce4-panel xfwm4 \
    xfdesktop mate-session mate-panel marco cinnamon cinnamon-session lxsession lxqt-session lxqt-panel openbox fluxbox i3 sway hyprland river \
    niri labwc wayfire bspwm dwm xmonad awesome qtile herbstluftwm rofi wofi dmenu_run";
const TERMINALS: &str = "gnome-terminal-server ptyxis-agent konsole xterm kitty alacritty wezterm-gui foot ghostty terminator tilix \
    xfce4-terminal iterm2 terminal windowsterminal";

/// What this ancestor of `child` is known as, if it is known at all.
pub(super) fn origin(process: &Process, interactive: bool, child: &Process) -> Option<Origin> {
    type Make = fn(Process) -> Origin;
    let names = Names::of(process);
    let process = process.clone();
    if let Some(home) = pm2_home(&process) {
        let app = pm2_app(&home, child.pid);
        return Some(Origin::Supervisor {
            process,
            name: "pm2",
            app,
        });
    }
    if let Some((file, _)) = known(&process) {
        let name = project(file);
        let app = watched(&process, name);
        return Some(Origin::Supervisor { process, name, app });
    }
    if names.has("containerd-shim") || names.has("containerd-shim-runc-v2") {
        return Some(Origin::Container {
            runtime: Some(shim_runtime(&process)),
            id: argument_after(&process, "-id"),
        });
    }
    if names.has("conmon") {
        return Some(Origin::Container {
            runtime: Some("podman"),
            id: argument_after(&process, "-c"),
        });
    }
    if editor(&process).is_some() {
        return Some(Origin::Editor { process });
    }
    let known: [(&str, Make); 5] = [
        (CRONS, |process| Origin::Cron { process }),
        (SSH, |process| Origin::SshSession { process }),
        (MULTIPLEXERS, |process| Origin::Multiplexer { process }),
        (EDITORS, |process| Origin::Editor { process }),
        (TERMINALS, |process| Origin::Terminal { process }),
    ];
    if let Some((_, origin)) = known
        .iter()
        .find(|(files, _)| names.first_of(files).is_some())
    {
        return Some(origin(process));
    }
    if let Some(command) = runner(&process, &names) {
        return Some(Origin::ScriptRunner { process, command });
    }
    if names.first_of(SHELLS).is_some() {
        return Some(Origin::Shell {
            process,
            interactive,
        });
    }
    None
}

/// Whether it connects a Windows terminal with what runs in WSL.
pub(super) fn is_wsl_relay(process: &Process) -> bool {
    process.name == "SessionLeader"
        || process.name.starts_with("Relay(")
        || (process.pid == 1
            && process
                .command
                .first()
                .is_some_and(|argument| argument == "/init"))
}

/// What a script runner was asked to run, such as `npm run dev`.
fn runner(process: &Process, names: &Names) -> Option<String> {
    let name = names.first_of(RUNNERS)?;
    let words: Vec<String> = process
        .command
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    // npm writes `npm run dev` over its arguments.
    if let [title] = words.as_slice()
        && title.contains(' ')
    {
        return Some(cut(title));
    }
    let at = words.iter().position(|word| {
        let word = plain(base(word));
        word.split('-').next() == Some(name)
            || word == name
            || word.starts_with(&format!("{name}."))
    });
    let arguments = words.get(at? + 1..).unwrap_or_default();
    let mut command = name.to_owned();
    for argument in arguments {
        command.push(' ');
        command.push_str(argument);
    }
    Some(cut(&command))
}

fn cut(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn argument_after(process: &Process, option: &str) -> Option<String> {
    let mut arguments = process.command.iter();
    arguments.find(|argument| *argument == option)?;
    Some(arguments.next()?.to_string_lossy().into_owned())
}

/// Docker runs its containers by containerd, in a namespace called `moby`.
fn shim_runtime(process: &Process) -> &'static str {
    match argument_after(process, "-namespace").as_deref() {
        Some("moby") => "docker",
        _ => "containerd",
    }
}

/// PM2's folder, from the title of its daemon: `PM2 v5.3.0: God Daemon (/home/dev/.pm2)`.
fn pm2_home(process: &Process) -> Option<String> {
    let title = process.command.first()?.to_string_lossy();
    let rest = title.strip_prefix("PM2 v")?;
    let (_, folder) = rest.split_once(": God Daemon (")?;
    Some(folder.strip_suffix(')')?.to_owned())
}

/// What PM2 calls the app with this PID: it keeps files such as `pids/web-app-0.pid`. The folder is one that a process names, and may lie on
/// storage that hangs.
fn pm2_app(home: &str, pid: u32) -> Option<String> {
    const LIMIT: Duration = Duration::from_millis(200);
    let folder = std::path::Path::new(home).join("pids");
    if !folder.is_absolute() {
        return None;
    }
    Task::start(LIMIT, move |_| pm2_app_in(&folder, pid)).finish()?
}

fn pm2_app_in(folder: &std::path::Path, pid: u32) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.take(1000).find_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let app = pm2_app_of(&name)?.to_owned();
        let is_its = read_number(&entry.path()) == Some(pid);
        is_its.then_some(app)
    })
}

/// `web-app-0.pid` → `web-app`
fn pm2_app_of(file: &str) -> Option<&str> {
    let (app, number) = file.strip_suffix(".pid")?.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !app.is_empty()).then_some(app)
}

/// The number in a small file. The folder is named by another's process, so anything may be in it.
fn read_number(path: &std::path::Path) -> Option<u32> {
    let bytes = crate::sys::read_small_file(path, 32)?;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// What a supervisor is called, which is not always what its program is called.
fn project(file: &'static str) -> &'static str {
    match file {
        "runsv" => "runit",
        "s6-supervise" => "s6",
        "supervise" => "daemontools",
        "supervise-daemon" => "OpenRC",
        "circusd" => "circus",
        "winsw" => "WinSW",
        own => own,
    }
}

/// What a supervisor calls the server, where its command line tells: runit's and s6's are one process for each service.
fn watched(process: &Process, name: &str) -> Option<String> {
    match name {
        "runit" | "s6" | "daemontools" => {
            let folder = process.command.get(1)?.to_string_lossy().into_owned();
            (!folder.is_empty()).then_some(folder)
        }
        _ => None,
    }
}

/// The command that makes this supervisor stop the server for good, if there is one.
pub(super) fn stop_command(name: &str, app: Option<&str>, process: &Process) -> Option<String> {
    let folder = || {
        // Each of these works in the folder of its service.
        let folder = process.cwd.as_deref()?.to_str()?;
        Some(quoted(folder))
    };
    match name {
        "pm2" => {
            let app = app.filter(|app| names_one_app(app))?;
            Some(format!("pm2 stop {}", quoted(app)))
        }
        "supervisord" => None,
        "runit" => Some(format!("sv stop {}", folder().or_else(|| app.map(quoted))?)),
        "s6" => Some(format!("s6-svc -d {}", folder()?)),
        "daemontools" => Some(format!("svc -d {}", folder()?)),
        _ => None,
    }
}

/// Whether PM2 would take this for the name of one app, and not for an option, a number, a pattern or all apps.
fn names_one_app(app: &str) -> bool {
    let is_number = app.bytes().all(|byte| byte.is_ascii_digit());
    !is_number && app != "all" && !app.starts_with(['-', '/'])
}

/// Whether it may be there to start a server again: not if it is where a person is at work, or where a container is kept.
pub(crate) fn may_supervise(process: &Process) -> bool {
    // By the program alone: a script may be called `login`.
    let name = process.name.to_ascii_lowercase();
    !SESSIONS.split_ascii_whitespace().any(|known| known == name)
        && !matches!(
            origin(process, false, process),
            Some(
                Origin::Cron { .. }
                    | Origin::SshSession { .. }
                    | Origin::Multiplexer { .. }
                    | Origin::Terminal { .. }
                    | Origin::Editor { .. }
                    | Origin::Container { .. }
            )
        )
}

/// The command that ends one process, without this library.
pub(crate) fn kill_command(process: &Process) -> String {
    if cfg!(windows) {
        format!("taskkill /T /F /PID {}", process.pid)
    } else {
        format!("kill {}", process.pid)
    }
}

/// This supervisor's own command that makes it start nothing again, or what is known of one that can't be typed as it stands.
pub(crate) fn supervisor_command(process: &Process) -> Result<Option<String>, &'static str> {
    let name = known(process).map_or("", |(file, _)| project(file));
    match name {
        "pm2" => Err("`pm2 list` shows what it is called there, `pm2 stop NAME` stops it"),
        "supervisord" => Err(
            "`supervisorctl status` shows what it is called there, `supervisorctl stop NAME` stops it",
        ),
        _ => {
            let app = watched(process, name);
            Ok(stop_command(name, app.as_deref(), process))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsString;
    use std::path::PathBuf;

    fn process(name: &str, command: &[&str]) -> Process {
        let mut process = Process::unknown(4711);
        process.name = name.to_owned();
        process.command = command.iter().map(OsString::from).collect();
        process
    }

    fn kind(name: &str, command: &[&str]) -> &'static str {
        let child = Process::unknown(4712);
        origin(&process(name, command), false, &child).map_or("nothing", |origin| origin.kind())
    }

    #[test]
    fn programs_are_known_by_name_title_and_script() {
        for (name, command, expected) in [
            ("bash", &["-bash"][..], "shell"),
            ("sh", &["sh", "-c", "node server.js"], "shell"),
            ("npm run dev", &["npm run dev"], "script_runner"),
            (
                "node",
                &[
                    "node",
                    "/usr/lib/node_modules/npm/bin/npm-cli.js",
                    "run",
                    "dev",
                ],
                "script_runner",
            ),
            (
                "node",
                &[
                    "/usr/bin/node",
                    "/srv/app/node_modules/.bin/nodemon",
                    "server.js",
                ],
                "supervisor",
            ),
            (
                "node",
                &["node", "/srv/app/node_modules/nodemon/bin/nodemon.js"],
                "supervisor",
            ),
            (
                "supervisord",
                &["/usr/bin/python3", "/usr/bin/supervisord", "-n"],
                "supervisor",
            ),
            ("runsv", &["runsv", "web"], "supervisor"),
            (
                "PM2 v5.3.0: God",
                &["PM2 v5.3.0: God Daemon (/nowhere/.pm2)"],
                "supervisor",
            ),
            ("tmux: server", &["tmux", "new"], "multiplexer"),
            ("screen", &["SCREEN", "-S", "x"], "multiplexer"),
            ("sshd", &["sshd: dev [priv]"], "ssh_session"),
            ("sshd-session", &["sshd-session: dev@pts/0"], "ssh_session"),
            ("cron", &["/usr/sbin/cron", "-f"], "cron"),
            ("code", &["/usr/share/code/code", "--type=zygote"], "editor"),
            (
                "containerd-shim",
                &[
                    "/usr/bin/containerd-shim-runc-v2",
                    "-namespace",
                    "moby",
                    "-id",
                    "6f3c",
                ],
                "container",
            ),
            ("make", &["make", "serve"], "script_runner"),
            ("cargo", &["cargo", "run"], "script_runner"),
            (
                "gnome-terminal-",
                &["/usr/libexec/gnome-terminal-server"],
                "terminal",
            ),
            ("node", &["node", "server.js"], "nothing"),
            ("nginx", &["nginx: master process nginx"], "nothing"),
            ("", &[], "nothing"),
        ] {
            assert_eq!(kind(name, command), expected, "{name} {command:?}");
        }
    }

    #[test]
    fn a_runner_tells_what_it_was_asked_to_run() {
        let child = Process::unknown(4712);
        for (command, told) in [
            (
                &[
                    "node",
                    "/usr/lib/node_modules/npm/bin/npm-cli.js",
                    "run",
                    "dev",
                ][..],
                "npm run dev",
            ),
            (&["npm run dev"], "npm run dev"),
            (&["/usr/bin/make", "-j4", "serve"], "make -j4 serve"),
        ] {
            let name = command.first().copied().unwrap_or_default();
            match origin(&process(base(name), command), false, &child) {
                Some(Origin::ScriptRunner { command, .. }) => assert_eq!(command, told),
                other => panic!("{command:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_editors_server_is_known_by_its_folder() {
        let mut server = process("node", &["node", "out/server-main.js"]);
        server.executable = Some(PathBuf::from("/home/dev/.vscode-server/bin/0/node"));
        let found = origin(&server, false, &Process::unknown(1));
        assert_eq!(found.map(|origin| origin.kind()), Some("editor"));
    }

    #[test]
    fn an_app_of_pm2_is_known_by_its_pid_file() {
        let home = std::env::temp_dir().join(format!("kill_port-pm2-{}", std::process::id()));
        std::fs::create_dir_all(home.join("pids")).unwrap();
        std::fs::write(home.join("pids/other-0.pid"), "4000").unwrap();
        std::fs::write(home.join("pids/web-app-1.pid"), "4712\n").unwrap();
        let title = format!("PM2 v5.3.0: God Daemon ({})", home.display());
        let daemon = process("PM2 v5.3.0: God", &[&title]);
        let found = origin(&daemon, false, &Process::unknown(4712));
        std::fs::remove_dir_all(&home).unwrap();
        let Some(Origin::Supervisor { name, app, process }) = found else {
            panic!("{found:?}");
        };
        assert_eq!((name, app.as_deref()), ("pm2", Some("web-app")));
        assert_eq!(
            stop_command(name, app.as_deref(), &process).as_deref(),
            Some("pm2 stop web-app")
        );
        for several in ["all", "-rf", "7", "/web/"] {
            assert_eq!(stop_command(name, Some(several), &process), None);
        }
    }

    #[test]
    fn a_service_folder_names_the_command_of_its_supervisor() {
        let mut runsv = process("runsv", &["runsv", "web"]);
        runsv.cwd = Some(PathBuf::from("/etc/service/web"));
        assert_eq!(
            stop_command("runit", Some("web"), &runsv).as_deref(),
            Some("sv stop /etc/service/web")
        );
        runsv.cwd = Some(PathBuf::from("/tmp/a; rm -rf"));
        assert_eq!(
            stop_command("s6", None, &runsv).as_deref(),
            Some("s6-svc -d '/tmp/a; rm -rf'")
        );
    }

    proptest! {
        #[test]
        fn any_name_and_command_are_taken_without_a_panic(
            name in any::<String>(),
            command in proptest::collection::vec(any::<String>(), 0..4),
        ) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let _ = kind(&name, &words);
            let _ = pm2_app_of(&name);
            let node: Vec<&str> = std::iter::once("node").chain(words).collect();
            let _ = kind("node", &node);
        }
    }
}
