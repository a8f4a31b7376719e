"""What is in .github, and the action, as far as schemas and a linter see."""

import json
import re

from common import ROOT, TOOLS, fail, has, run, say, skip

FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"


def test(tools):
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if "check-jsonschema" in tools:
        say(".github: schemas")
        for schema, files in {
            "github-workflows": workflows,
            "github-actions": [ROOT / "action.yml"],
            "github-issue-forms": [path for path in FORMS.glob("*.yml") if path.name != "config.yml"],
            "github-issue-config": [FORMS / "config.yml"],
            "dependabot": [ROOT / ".github" / "dependabot.yml"],
        }.items():
            run(tools["check-jsonschema"], "--builtin-schema", f"vendor.{schema}", *files)
    else:
        skip("the schemas of .github, since check-jsonschema could not be fetched")
    if "zizmor" in tools:
        say(".github: zizmor")
        run(tools["zizmor"], "--offline", "--no-progress", "--color=never", *workflows, ROOT / "action.yml", ROOT / ".github" / "dependabot.yml")
    else:
        skip("zizmor, which could not be fetched")
    if "ansible-playbook" in tools:
        say(".github: every step is a script that bash understands")
        # PyYAML came with Ansible.
        read = "import json, sys, yaml; print(json.dumps([yaml.safe_load(open(path)) for path in sys.argv[1:]]))"
        for workflow in json.loads(run(TOOLS / "bin" / "python", "-c", read, *workflows)):
            for name, job in workflow["jobs"].items():
                if "timeout-minutes" not in job:
                    fail(f"the job {name} has no end")
                image = job.get("container", {}).get("image", "x:1@sha256:" + "0" * 64)
                if not re.fullmatch(r"[\w/.-]+:[\w.-]+@sha256:[0-9a-f]{64}", image):
                    fail(f"the job {name} runs in {image}, which is not a version with its digest")
                for step in job["steps"]:
                    run("bash", "-n", "-c", re.sub(r"\$\{\{.*?\}\}", "x", step.get("run", "true")))
    else:
        skip("the scripts of the steps: PyYAML, which comes with ansible-core, could not be fetched")
    for path in workflows:
        for used in re.findall(r"uses: (\S+(?: # \S+)?)", path.read_text()):
            if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used):
                fail(f"{path.name} uses {used}, which is not a commit with its version")
    has((FORMS / "bug.yml").read_text(), "kill_port --why --json PORT", "the form for bugs")
