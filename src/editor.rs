//! Which processes belong to an editor or an IDE.
//!
//! An editor forwards ports to and from another machine by itself, and so does its server there. Ended for such a port, it takes its windows
//! with it, and what was typed in them. So it is not signalled unless that is asked for.
//!
//! What a person has started *in* an editor is not the editor: a server in its terminal, a program under its debugger, a script that is run
//! by the Node.js or the Java that an editor brings along. Of an interpreter only its program tells whose it is.

use crate::process::Process;

/// An editor, and where a person stops what it forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Editor {
    pub name: &'static str,
    /// Where it shows the ports that it forwards.
    pub ports: &'static str,
}

const PORTS_PANEL: &str = "its Ports panel";
const FORWARDED: &str = "its list of forwarded ports";
const PROJECT: &str = "its remote project";

/// Folders in which nothing but an editor's own programs and extensions lie, in lower case, with the editor's name.
const FOLDERS: &[(&str, &str)] = &[
    ("/.vscode-server/", "VS Code"),
    ("/.vscode-server-insiders/", "VS Code"),
    ("/.vscode-remote/", "VS Code"),
    ("/.vscode-remote-containers/", "VS Code"),
    ("/.vscode/extensions/", "VS Code"),
    ("/.vscode-insiders/extensions/", "VS Code"),
    ("/vscode/bin/", "VS Code"),
    ("/vscode/vscode-server/", "VS Code"),
    ("/visual studio code.app/", "VS Code"),
    ("/visual studio code - insiders.app/", "VS Code"),
    ("/microsoft vs code/", "VS Code"),
    ("/microsoft vs code insiders/", "VS Code"),
    ("/.vscode-oss/extensions/", "VSCodium"),
    ("/.vscode-server-oss/", "VSCodium"),
    ("/.vscodium-server/", "VSCodium"),
    ("/vscodium.app/", "VSCodium"),
    ("/.cursor-server/", "Cursor"),
    ("/.cursor/extensions/", "Cursor"),
    ("/cursor.app/", "Cursor"),
    ("/.windsurf-server/", "Windsurf"),
    ("/.windsurf/extensions/", "Windsurf"),
    ("/windsurf.app/", "Windsurf"),
    ("/lib/code-server/", "code-server"),
    ("/.local/share/code-server/", "code-server"),
    ("/.local/lib/code-server-", "code-server"),
    ("/node_modules/code-server/", "code-server"),
    ("/openvscode-server/", "OpenVSCode Server"),
    ("/jetbrains/remotedev/", "JetBrains"),
    ("/jetbrains/toolbox/apps/", "JetBrains"),
    ("/.zed_server/", "Zed"),
    ("/.local/share/zed/", "Zed"),
    ("/application support/zed/", "Zed"),
    ("/zed.app/", "Zed"),
];

/// Programs by the name of their file, in lower case and without `.exe`.
const PROGRAMS: &[(&str, &str)] = &[
    ("code", "VS Code"),
    ("code-insiders", "VS Code"),
    ("code-tunnel", "VS Code"),
    ("code-tunnel-insiders", "VS Code"),
    ("code-server", "code-server"),
    ("openvscode-server", "OpenVSCode Server"),
    ("codium", "VSCodium"),
    ("vscodium", "VSCodium"),
    ("cursor", "Cursor"),
    ("windsurf", "Windsurf"),
    ("zed-editor", "Zed"),
    ("zed-remote-server", "Zed"),
    ("idea", "JetBrains"),
    ("idea64", "JetBrains"),
    ("webstorm", "JetBrains"),
    ("webstorm64", "JetBrains"),
    ("pycharm", "JetBrains"),
    ("pycharm64", "JetBrains"),
    ("goland", "JetBrains"),
    ("goland64", "JetBrains"),
    ("clion", "JetBrains"),
    ("clion64", "JetBrains"),
    ("rustrover", "JetBrains"),
    ("rustrover64", "JetBrains"),
    ("phpstorm", "JetBrains"),
    ("phpstorm64", "JetBrains"),
    ("rubymine", "JetBrains"),
    ("rubymine64", "JetBrains"),
    ("rider64", "JetBrains"),
    ("datagrip", "JetBrains"),
    ("datagrip64", "JetBrains"),
    ("dataspell", "JetBrains"),
    ("dataspell64", "JetBrains"),
    ("jetbrains_client", "JetBrains"),
    ("jetbrains_client64", "JetBrains"),
    ("remote-dev-server", "JetBrains"),
];

/// What runs a program of somebody's, without the version in its name.
const INTERPRETERS: &[&str] = &[
    "node", "java", "javaw", "python", "ruby", "perl", "php", "bun", "deno", "dotnet",
];

/// Options of theirs whose value is an argument of its own, and no program.
const WITH_VALUE: &[&str] = &[
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
];

/// Programs of the server of VS Code and its kin, which may be named from its folder.
const SERVER: &[&str] = &["server-main.js", "bootstrap-fork", "bootstrap-fork.js"];

/// What IDEs of JetBrains are to the Java that runs them.
const MAIN_CLASS: &str = "com.intellij.idea.Main";

/// The editor that this process belongs to, or `None` if it is an ordinary process.
pub(crate) fn editor(process: &Process) -> Option<Editor> {
    let name = name(process)?;
    let ports = match name {
        "JetBrains" => FORWARDED,
        "Zed" => PROJECT,
        _ => PORTS_PANEL,
    };
    Some(Editor { name, ports })
}

fn name(process: &Process) -> Option<&'static str> {
    let words: Vec<String> = process
        .command
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // Another user's program shows its first argument, or no more than a short name.
    let program = match &process.executable {
        Some(path) => path.to_string_lossy().into_owned(),
        None => words.first().unwrap_or(&process.name).clone(),
    };
    let path = plain(&program);
    let file = path.rsplit('/').next().unwrap_or(&path);
    let file = file.strip_suffix(".exe").unwrap_or(file);
    let bare = file.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if INTERPRETERS.contains(&bare) {
        return match words.get(1..) {
            None | Some([]) => in_folder(&path),
            Some(arguments) => of_program(arguments, bare, &path),
        };
    }
    in_folder(&path).or_else(|| known(PROGRAMS, |known| known == file))
}

/// Whose program it is that an interpreter, which lies there, runs with these arguments.
fn of_program(arguments: &[String], interpreter: &str, path: &str) -> Option<&'static str> {
    if arguments.iter().any(|word| word == MAIN_CLASS) {
        return Some("JetBrains");
    }
    // What an editor runs in its own Node.js for extensions, terminals and files.
    if arguments.iter().any(|word| word == "--type=extensionHost") {
        return Some(in_folder(path).unwrap_or("VS Code"));
    }
    let program = plain(if interpreter.starts_with("java") {
        let jar = arguments.iter().position(|word| word == "-jar")?;
        arguments.get(jar + 1)?
    } else {
        first_operand(arguments)?
    });
    let last = program.rsplit('/').next().unwrap_or_default();
    // The debugger for Python lies in its extension, and has a person's program inside it.
    if matches!(last, "debugpy" | "launcher") {
        return None;
    }
    let is_servers = SERVER.contains(&last);
    // The folder itself is a program to Node.js.
    in_folder(&format!("{program}/")).or_else(|| in_folder(path).filter(|_| is_servers))
}

/// The first argument that is neither an option nor the value of one.
fn first_operand(arguments: &[String]) -> Option<&String> {
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        if !word.starts_with('-') {
            return Some(word);
        }
        if WITH_VALUE.contains(&word.as_str()) {
            arguments.next();
        }
    }
    None
}

/// The editor in whose folder a path lies.
fn in_folder(path: &str) -> Option<&'static str> {
    known(FOLDERS, |folder| path.contains(folder))
}

fn known(table: &[(&str, &'static str)], is_it: impl Fn(&str) -> bool) -> Option<&'static str> {
    let entry = table.iter().find(|(key, _)| is_it(key));
    entry.map(|(_, name)| *name)
}

/// A path in lower case, with the separators of Unix.
fn plain(path: &str) -> String {
    let path = path.to_lowercase().replace('\\', "/");
    // Linux adds this to the link when the file was replaced by an upgrade.
    path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::PathBuf;

    fn of(executable: &str, command: &[&str]) -> Option<&'static str> {
        let mut process = Process::unknown(4711);
        process.executable = Some(PathBuf::from(executable)).filter(|_| !executable.is_empty());
        process.command = command.iter().map(OsString::from).collect();
        editor(&process).map(|editor| editor.name)
    }

    #[test]
    fn editors_and_their_servers_are_known() {
        let server = "/home/dev/.vscode-server/cli/servers/Stable-0123abcd/server";
        let node = &format!("{server}/node");
        for (executable, command, name) in [
            (
                "/usr/share/code/code",
                &[
                    "/usr/share/code/code",
                    "--type=utility",
                    "--utility-sub-type=node.mojom.NodeService",
                ][..],
                "VS Code",
            ),
            (
                "/usr/share/code/code (deleted)",
                &["/usr/share/code/code"],
                "VS Code",
            ),
            (
                "/usr/share/code-insiders/code-insiders",
                &["code-insiders"],
                "VS Code",
            ),
            (
                "/snap/code/200/usr/share/code/code",
                &["code", "--no-sandbox"],
                "VS Code",
            ),
            (
                "/Applications/Visual Studio Code.app/Contents/MacOS/Electron",
                &["Electron"],
                "VS Code",
            ),
            (
                "/Applications/Visual Studio Code.app/Contents/Frameworks/Code Helper (Plugin).app/Contents/MacOS/Code Helper (Plugin)",
                &[],
                "VS Code",
            ),
            (
                "C:\\Users\\Dev\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe",
                &["Code.exe"],
                "VS Code",
            ),
            (
                node,
                &[
                    node,
                    &format!("{server}/out/server-main.js"),
                    "--host=127.0.0.1",
                    "--port=0",
                ],
                "VS Code",
            ),
            (
                node,
                &[
                    node,
                    "--dns-result-order=ipv4first",
                    &format!("{server}/out/bootstrap-fork"),
                    "--type=extensionHost",
                ],
                "VS Code",
            ),
            (
                node,
                &[
                    node,
                    "/home/dev/.vscode-server/extensions/dbaeumer.vscode-eslint-3/server/out/eslintServer.js",
                    "--node-ipc",
                ],
                "VS Code",
            ),
            (node, &[], "VS Code"),
            (node, &["node", "out/server-main.js"], "VS Code"),
            (
                "/home/dev/.vscode-server/code-0123abcd",
                &["/home/dev/.vscode-server/code-0123abcd", "command-shell"],
                "VS Code",
            ),
            (
                "/home/dev/.vscode-server/extensions/rust-lang.rust-analyzer/server/rust-analyzer",
                &["rust-analyzer"],
                "VS Code",
            ),
            (
                "/vscode/bin/linux-x64/0123abcd/node",
                &["node", "/vscode/bin/linux-x64/0123abcd/out/server-main.js"],
                "VS Code",
            ),
            (
                "/usr/bin/java",
                &[
                    "java",
                    "-Xmx1G",
                    "-jar",
                    "/home/dev/.vscode/extensions/redhat.java-1/server/plugins/org.eclipse.equinox.launcher.jar",
                    "-data",
                    "/tmp/x",
                ],
                "VS Code",
            ),
            (
                "/usr/bin/python3.12",
                &[
                    "python3",
                    "/home/dev/.vscode/extensions/ms-python.debugpy-2025/bundled/libs/debugpy/adapter",
                    "--for-server",
                ],
                "VS Code",
            ),
            (
                "",
                &[
                    "/home/dev/.vscode-server/bin/0123abcd/node",
                    "/home/dev/.vscode-server/bin/0123abcd/out/server-main.js",
                ],
                "VS Code",
            ),
            (
                "/usr/lib/code-server/lib/node",
                &["/usr/lib/code-server/lib/node", "/usr/lib/code-server"],
                "code-server",
            ),
            (
                "/usr/lib/code-server/lib/node",
                &[
                    "/usr/lib/code-server/lib/node",
                    "/usr/lib/code-server/out/node/entry",
                ],
                "code-server",
            ),
            (
                "/usr/share/codium/codium",
                &["/usr/share/codium/codium"],
                "VSCodium",
            ),
            (
                "/home/dev/.cursor-server/cli/servers/Stable-0/server/node",
                &[
                    "node",
                    "/home/dev/.cursor-server/cli/servers/Stable-0/server/out/server-main.js",
                ],
                "Cursor",
            ),
            (
                "/tmp/.mount_cursor/usr/share/cursor/cursor",
                &["cursor"],
                "Cursor",
            ),
            (
                "/home/dev/.windsurf-server/bin/0/node",
                &[
                    "node",
                    "/home/dev/.windsurf-server/bin/0/out/server-main.js",
                ],
                "Windsurf",
            ),
            ("/opt/idea/bin/idea", &["/opt/idea/bin/idea"], "JetBrains"),
            (
                "/opt/pycharm/jbr/bin/java",
                &[
                    "/opt/pycharm/jbr/bin/java",
                    "-classpath",
                    "/opt/pycharm/lib/app.jar",
                    "com.intellij.idea.Main",
                ],
                "JetBrains",
            ),
            (
                "/home/dev/.cache/JetBrains/RemoteDev/dist/0_goland/bin/goland",
                &["goland", "serverMode"],
                "JetBrains",
            ),
            (
                "/home/dev/.cache/JetBrains/RemoteDev/remote-dev-worker/remote-dev-worker_0",
                &[],
                "JetBrains",
            ),
            (
                "/home/dev/.cache/JetBrains/RemoteDev/dist/0_ideaIU/jbr/bin/java",
                &["java", "-Dide=1", "com.intellij.idea.Main", "serverMode"],
                "JetBrains",
            ),
            (
                "C:\\Program Files\\JetBrains\\IntelliJ IDEA\\bin\\idea64.exe",
                &["idea64.exe"],
                "JetBrains",
            ),
            (
                "/home/dev/.zed_server/zed-remote-server-stable-0.150.0",
                &["zed-remote-server-stable-0.150.0", "run"],
                "Zed",
            ),
            (
                "/home/dev/.local/zed.app/libexec/zed-editor",
                &["zed-editor"],
                "Zed",
            ),
        ] {
            assert_eq!(
                of(executable, command),
                Some(name),
                "{executable} {command:?}"
            );
        }
    }

    #[test]
    fn what_a_person_starts_in_an_editor_is_not_the_editor() {
        let node = "/home/me/.vscode-server/bin/0123abcd/node";
        for (executable, command) in [
            (node, &[node, "/home/me/app.js"][..]),
            (node, &[node, "--inspect=9229", "server.js"]),
            (node, &[node, "/home/me/app/node_modules/.bin/vite"]),
            ("/usr/bin/node", &["node", "/home/me/app/server.js"]),
            ("/usr/bin/node", &["node", "/home/me/app/.vscode/serve.js"]),
            ("/usr/bin/node", &["node", "/srv/vscode-extension/serve.js"]),
            // Under the debugger for Python, which lies in its extension.
            (
                "/usr/bin/python3",
                &[
                    "/usr/bin/python3",
                    "/home/me/.vscode/extensions/ms-python.debugpy-2025/bundled/libs/debugpy/adapter/../../debugpy/launcher",
                    "40001",
                    "--",
                    "app.py",
                ],
            ),
            (
                "/usr/bin/python3",
                &[
                    "/usr/bin/python3",
                    "/home/me/.vscode/extensions/ms-python.debugpy-2025/bundled/libs/debugpy/adapter/../../debugpy/launcher/../../debugpy",
                    "--connect",
                    "127.0.0.1:40001",
                    "app.py",
                ],
            ),
            // By the Java of an extension, and of an IDE.
            (
                "/home/me/.vscode/extensions/redhat.java-1/jre/21/bin/java",
                &["java", "-cp", "/home/me/app/bin", "shop.Main"],
            ),
            (
                "/opt/idea/jbr/bin/java",
                &[
                    "java",
                    "-javaagent:/opt/idea/lib/idea_rt.jar=40001",
                    "-classpath",
                    "/home/me/app",
                    "shop.Main",
                ],
            ),
            (
                "/usr/bin/java",
                &[
                    "java",
                    "-classpath",
                    "/home/me/app:/home/me/.local/share/JetBrains/Toolbox/apps/idea/lib/idea_rt.jar",
                    "shop.Main",
                ],
            ),
            (
                "/usr/bin/node",
                &[
                    "node",
                    "--require",
                    "/home/me/.vscode/extensions/ms-vscode.js-debug/src/bootloader.js",
                    "app.js",
                ],
            ),
            (
                "/usr/bin/bash",
                &[
                    "bash",
                    "--init-file",
                    "/home/me/.vscode-server/bin/0/out/shellIntegration-bash.sh",
                ],
            ),
            (
                "/usr/bin/ssh",
                &["ssh", "-L", "3000:localhost:3000", "server"],
            ),
            ("/home/me/code/target/debug/shop", &["target/debug/shop"]),
            ("/usr/bin/codebase", &["codebase"]),
            (
                "/usr/bin/bash",
                &[
                    "bash",
                    "--init-file",
                    "/usr/share/code/resources/app/out/shellIntegration.sh",
                ],
            ),
            ("/usr/bin/vim", &["vim"]),
            ("", &[]),
        ] {
            assert_eq!(of(executable, command), None, "{executable} {command:?}");
        }
    }
}
