"""What `cargo binstall` is told leads to files that are there."""

import re
import tarfile
import tomllib
import zipfile

from common import CARGO, PROJECT, ROOT, VERSION, archive_name, fail, same, say


def test(archives):
    say("cargo binstall: the metadata leads to the archives")
    told = tomllib.loads((ROOT / "cli" / "Cargo.toml").read_text())["package"]["metadata"]["binstall"]
    built = [target["triple"] for target in PROJECT["target"]]
    for triple in [*built, *told["overrides"]]:
        one = {key: value for key, value in told.items() if key != "overrides"} | told["overrides"].get(triple, {})
        windows = "windows" in triple
        known = {
            "repo": CARGO["repository"],
            "version": VERSION,
            "target": triple,
            "bin": "kill_port",
            "binary-ext": ".exe" if windows else "",
        }
        put = lambda text: re.sub(r"\{ ([a-z-]+) \}", lambda found: known[found[1]], text)
        base, name = put(one["pkg-url"]).rsplit("/", 1)
        same(base, f"{CARGO['repository']}/releases/download/v{VERSION}", f"where the archive for {triple} is")
        same(one["pkg-fmt"], "zip" if windows else "tgz", f"the kind of archive for {triple}")
        if name not in map(archive_name, built):
            fail(f"{name}, for {triple}, is not built")
        path = archives / name
        if path.exists():
            inside = zipfile.ZipFile(path).namelist() if windows else tarfile.open(path).getnames()
            if put(one["bin-dir"]) not in inside:
                fail(f"{put(one['bin-dir'])}, for {triple}, is not in {name}")
