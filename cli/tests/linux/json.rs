//! `--json`: every kind of answer is held to the published schema.

use std::net::TcpListener;

use serde_json::Value;

use crate::command::{Run, as_nobody, run, run_role};
use crate::fixture::{Fixture, Port, linux::root_or_skip};

/// The answer of a run, which has to be one object that the schema describes.
#[track_caller]
pub fn answer(run: &Run) -> Value {
    let value: Value =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
    let schema: Value =
        serde_json::from_str(include_str!("../../schema.json")).expect("the schema is JSON");
    let mut schema_without_slack = schema;
    forbid_more(&mut schema_without_slack);
    let validator =
        jsonschema::draft202012::new(&schema_without_slack).expect("the schema is a schema");
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {value:#}");
    value
}

/// Others have to expect more fields; this version's tests know of every one.
fn forbid_more(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && object.get("type") == Some(&"object".into()) {
                object.insert("additionalProperties".into(), false.into());
            }
            object.values_mut().for_each(forbid_more);
        }
        Value::Array(array) => array.iter_mut().for_each(forbid_more),
        _ => {}
    }
}

#[test]
fn the_schema_is_a_schema_and_refuses_nonsense() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schema.json")).expect("the schema is JSON");
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).expect("the schema is a schema");
    assert!(
        !validator.is_valid(&serde_json::json!({"schema_version": 1, "ports": [{}], "errors": []}))
    );
    assert!(
        !validator.is_valid(&serde_json::json!({"schema_version": 2, "ports": [], "errors": []}))
    );
}

#[test]
fn a_freed_port_in_json() {
    let ports = Port::claim_many(2);
    let server = Fixture::role("server")
        .port(&ports[0])
        .set("name", "shop")
        .cwd("/")
        .arg("--x")
        .start();
    let run = run(&format!("--json 127.0.0.1:{} {}/tcp", ports[0], ports[1]))
        .exits(0)
        .has_no_complaint();
    let value = answer(&run);
    let [held, free] = &value["ports"].as_array().expect("ports")[..] else {
        panic!("{value:#}");
    };
    assert_eq!(held["outcome"], "freed", "{value:#}");
    assert_eq!(held["address"], "127.0.0.1");
    assert_eq!(held["port"], ports[0].number());
    assert!(held["elapsed_ms"].is_number());
    let holder = &held["holders"][0];
    assert_eq!(holder["pid"], server.pid());
    assert_eq!(holder["name"], "shop");
    assert_eq!(holder["cwd"], "/");
    assert_eq!(holder["command"][1], "--x");
    assert_eq!(holder["parent_pid"], std::process::id());
    assert_eq!(holder["outcome"], "exited");
    assert_eq!(holder["signals"], serde_json::json!(["TERM"]));
    assert_eq!(
        holder["sockets"],
        serde_json::json!([{"protocol": "tcp", "address": "127.0.0.1", "port": ports[0].number(), "state": "listen"}])
    );
    assert_eq!(free["outcome"], "already_free");
    assert_eq!(free["protocol"], "tcp");
    assert_eq!(free["holders"], serde_json::json!([]));
}

#[test]
fn a_spared_holder_in_json() {
    let port = Port::claim();
    let _listener = TcpListener::bind(("127.0.0.1", port.number())).expect("the port is free");
    for (line, outcome) in [
        (format!("--json {port}"), "still_held"),
        (format!("--json -n {port}"), "would_fail"),
    ] {
        let value = answer(&run(&line).exits(1).has_no_complaint());
        let answer = &value["ports"][0];
        assert_eq!(answer["outcome"], outcome, "{value:#}");
        assert_eq!(answer["holders"][0]["outcome"], "spared", "{value:#}");
        assert_eq!(answer["holders"][0]["reason"], "ancestor", "{value:#}");
        assert_eq!(answer["errors"][0]["kind"], "spared", "{value:#}");
        assert_eq!(answer["errors"][0]["pid"], std::process::id(), "{value:#}");
        assert!(answer["errors"][0]["help"].is_string(), "{value:#}");
    }
}

#[test]
fn a_dry_run_in_json() {
    let port = Port::claim();
    let server = Fixture::server(&port);
    let value = answer(&run(&format!("--json -n {port}")).exits(0));
    assert_eq!(value["ports"][0]["outcome"], "would_free", "{value:#}");
    assert_eq!(
        value["ports"][0]["holders"][0]["outcome"], "would_signal",
        "{value:#}"
    );
    assert!(server.is_alive());
}

#[test]
fn a_list_in_json() {
    let ports = Port::claim_row(2);
    let server = Fixture::server(&ports[1]);
    let value = answer(&run(&format!("--json -l {} {}", ports[1], ports[0])).exits(0));
    assert_eq!(
        value["ports"][0]["port"],
        ports[0].number(),
        "sorted by port: {value:#}"
    );
    assert_eq!(value["ports"][0]["outcome"], "already_free", "{value:#}");
    assert_eq!(value["ports"][1]["outcome"], "held", "{value:#}");
    assert_eq!(
        value["ports"][1]["holders"][0]["outcome"], "seen",
        "{value:#}"
    );
    let value = answer(&run("--json --list").exits(0));
    let all = value["ports"].as_array().expect("ports");
    assert!(
        all.iter()
            .any(|answer| answer["holders"][0]["pid"] == server.pid()),
        "{value:#}"
    );
    assert!(
        all.iter().map(|answer| answer["port"].as_u64()).is_sorted(),
        "{value:#}"
    );
}

#[test]
fn a_stubborn_server_in_json() {
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("on_term", "swallow")
        .start();
    let value = answer(&run(&format!("--json --no-escalate -t 50ms {port}")).exits(1));
    assert_eq!(
        value["ports"][0]["errors"][0]["kind"], "timed_out",
        "{value:#}"
    );
    assert_eq!(
        value["ports"][0]["holders"][0]["outcome"], "survived",
        "{value:#}"
    );
}

#[test]
fn a_supervisor_in_json() {
    let port = Port::claim();
    let supervisor = Fixture::role("supervisor")
        .port(&port)
        .set("name", "nodemon")
        .start();
    let value = answer(&run(&format!("--json {port}")).exits(1));
    let error = &value["ports"][0]["errors"][0];
    assert_eq!(error["kind"], "respawned", "{value:#}");
    assert_eq!(
        error["supervisor"]["pid"],
        supervisor.pid_of("supervisor"),
        "{value:#}"
    );
    assert_eq!(error["supervisor"]["name"], "nodemon", "{value:#}");
    let value = answer(&run(&format!("--json -n {port}")).exits(0));
    assert_eq!(
        value["ports"][0]["supervisors"][0]["name"], "nodemon",
        "{value:#}"
    );
    let value = answer(&run(&format!("--json --supervisor {port}")).exits(0));
    assert_eq!(value["ports"][0]["outcome"], "freed", "{value:#}");
}

#[test]
fn an_explanation_in_json() {
    let ports = Port::claim_many(2);
    let server = Fixture::server(&ports[0]);
    let run = run(&format!(
        "--json --why {} {} 203.0.113.7:80",
        ports[0], ports[1]
    ))
    .exits(0)
    .has_no_complaint();
    let value = answer(&run);
    let held = &value["ports"][0];
    assert_eq!(held["outcome"], "held", "{value:#}");
    assert_eq!(held["holders"][0]["outcome"], "would_signal", "{value:#}");
    assert_eq!(held["why"]["would_be_freed"], true, "{value:#}");
    assert_eq!(held["why"]["can_be_bound"], false, "{value:#}");
    let story = &held["why"]["provenance"][0];
    assert_eq!(story["pid"], server.pid(), "{value:#}");
    assert_eq!(story["ancestry"][0]["pid"], std::process::id(), "{value:#}");
    let free = &value["ports"][1];
    assert_eq!(free["outcome"], "already_free", "{value:#}");
    assert_eq!(free["why"]["can_be_bound"], true, "{value:#}");
    assert_eq!(
        value["ports"][2]["why"]["causes"][0]["kind"], "not_local",
        "{value:#}"
    );
    assert!(server.is_alive());
}

#[test]
fn a_hidden_socket_in_json() {
    if !root_or_skip() {
        return;
    }
    let port = Port::claim();
    let _server = Fixture::server(&port);
    for (mode, outcome) in [
        ("--verbose", "still_held"),
        ("--list", "held"),
        ("--dry-run", "would_fail"),
        ("--why", "held"),
    ] {
        let mut run = run_role(as_nobody(&format!("--json {mode} {port}")));
        run.out = run
            .out
            .lines()
            .filter(|line| line.starts_with('{'))
            .collect();
        let value = answer(&run);
        assert_eq!(value["ports"][0]["outcome"], outcome, "{value:#}");
        let hidden = &value["ports"][0]["hidden"][0];
        assert_eq!(hidden["port"], port.number(), "{value:#}");
        assert_eq!(hidden["user"], "root", "{value:#}");
    }
}

#[test]
fn hostile_names_are_valid_json() {
    use std::os::unix::ffi::OsStringExt as _;
    let port = Port::claim();
    let _server = Fixture::role("server")
        .port(&port)
        .set("name", "\u{1b}[31mevil\n1")
        .arg("\"\\\u{202e}\u{9b}\u{7f}")
        .arg(std::ffi::OsString::from_vec(b"not \xff text".to_vec()))
        .start();
    for line in [format!("--json -l {port}"), format!("--json {port}")] {
        let run = run(&line).exits(0);
        let value = answer(&run);
        let holder = &value["ports"][0]["holders"][0];
        assert_eq!(holder["name"], "\u{1b}[31mevil\n1", "{value:#}");
        assert_eq!(
            holder["command"][1], "\"\\\u{202e}\u{9b}\u{7f}",
            "{value:#}"
        );
        assert_eq!(holder["command"][2], "not \u{fffd} text", "{value:#}");
        assert_eq!(run.out.lines().count(), 1, "{run:#?}");
        assert!(
            !run.out.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\u{7f}']),
            "{run:#?}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_no_json() {
    run("--json abc").exits(2).prints_nothing();
    run("--json").exits(2).prints_nothing();
    run("--json -i 1").exits(2).prints_nothing();
}
