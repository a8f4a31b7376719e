"""deb, rpm, apk and Arch packages: what is in them, and, where the system's own program can do so, installed, used and removed."""

import gzip
import os
import pathlib
import shutil
import tarfile

from common import PROJECT, archive_name, frees, has, run, same, say, skip, unpacked

NAME = PROJECT["names"]["system"]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
FILES = {
    "usr/bin/kill_port",
    "usr/share/man/man1/kill_port.1.gz",
    "usr/share/bash-completion/completions/kill_port",
    "usr/share/fish/vendor_completions.d/kill_port.fish",
}
DEBIAN = FILES | {
    "usr/share/zsh/vendor-completions/_kill_port",
    f"usr/share/doc/{NAME}/copyright",
    f"usr/share/doc/{NAME}/changelog.gz",
}
OTHERS = FILES | {
    "usr/share/zsh/site-functions/_kill_port",
    f"usr/share/licenses/{NAME}/LICENSE-MIT",
    f"usr/share/licenses/{NAME}/LICENSE-APACHE",
}


def test(made, archives, work):
    for target in PROJECT["target"]:
        if "package" not in target:
            continue
        if not (archives / archive_name(target["triple"])).exists():
            skip(f"the packages for {target['triple']}, which has no archive")
            continue
        machine = target["package"]
        native = target["run"] == []
        content = unpacked(archives, target["triple"], work / "content")
        deb(*made.glob(f"*_{machine}.deb"), machine, content, native, work / "deb" / machine)
        rpm(*made.glob(f"*.{MACHINES[machine]}.rpm"), MACHINES[machine], content, native, work / "rpm" / machine)
        arch(*made.glob(f"*-{MACHINES[machine]}.pkg.tar.zst"), MACHINES[machine], content, native, work / "arch" / machine)
        apk(*made.glob(f"*_{MACHINES[machine]}.apk"), MACHINES[machine], content, native, work / "apk" / machine)


def installed(root, files, content):
    """Below `root` are these files and no others, with what the archive has."""
    found = {str(path.relative_to(root)) for path in (root / "usr").rglob("*") if not path.is_dir()}
    same(found, files, f"the files below {root}")
    command, manual = root / "usr/bin/kill_port", root / "usr/share/man/man1/kill_port.1.gz"
    same(command.read_bytes() == (content / "kill_port").read_bytes(), True, f"{command} is the archive's")
    same(command.stat().st_mode & 0o7777, 0o755, f"the mode of {command}")
    same(gzip.decompress(manual.read_bytes()) == (content / "man/kill_port.1").read_bytes(), True, f"{manual} is the archive's")
    same(manual.stat().st_mode & 0o7777, 0o644, f"the mode of {manual}")


def gone(root, files):
    own = {str(pathlib.PurePath(name).parent) for name in files if pathlib.PurePath(name).parent.name == NAME}
    left = [name for name in files | own if (root / name).exists()]
    same(left, [], f"what is left below {root} when the package is removed")


def announce(package, native):
    """Whether it is installed too: another machine's is not, and nobody but root can own files for root."""
    install = native and os.geteuid() == 0
    say(f"{package.name}: listed" + (", installed, used and removed" if install else ""))
    if native and not install:
        skip(f"{package.name} is not installed: that takes root")
    return install


def deb(package, machine, content, native, root):
    if not shutil.which("dpkg"):
        return skip("the deb: dpkg is not here")
    install = announce(package, native)
    root.mkdir(parents=True)
    same(run("dpkg-deb", "--field", package, "Package", "Architecture").split(), ["Package:", NAME, "Architecture:", machine], package)
    run("dpkg-deb", "--extract", package, root / "listed")
    installed(root / "listed", DEBIAN, content)
    if not install:
        return
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={root}", "--log=/dev/null"]
    run(*dpkg, "--install", package)
    run(*dpkg, "--verify", NAME)
    installed(root, DEBIAN, content)
    frees(root / "usr/bin/kill_port", root)
    run(*dpkg, "--remove", NAME)
    gone(root, DEBIAN)
    run(*dpkg, "--purge", NAME)


def rpm(package, machine, content, native, root):
    if not shutil.which("rpm"):
        return skip("the rpm: rpm is not here")
    install = announce(package, native)
    same(run("rpm", "-qp", "--queryformat", "%{NAME} %{ARCH} %{LICENSE}", package), f"{NAME} {machine} MIT OR Apache-2.0", package)
    folder = f"usr/share/licenses/{NAME}"
    same({line.lstrip("/") for line in run("rpm", "-qlp", package).split()}, OTHERS | {folder}, f"the files in {package.name}")
    if not install:
        return
    root.mkdir(parents=True)
    run("rpm", "--root", root, "--initdb")
    # This system's own packages are no rpm's, so that nothing that one may depend on is known.
    run("rpm", "--root", root, "--nodeps", "--install", package)
    installed(root, OTHERS, content)
    frees(root / "usr/bin/kill_port", root)
    run("rpm", "--root", root, "--erase", NAME)
    gone(root, OTHERS)


def arch(package, machine, content, native, root):
    if not shutil.which("pacman"):
        return skip("the Arch package: pacman is not here")
    install = announce(package, native)
    root.mkdir(parents=True)
    pacman = ["pacman", "--noconfirm", "--config=/dev/null", "--logfile=/dev/null", f"--root={root}", f"--dbpath={root}/var/lib/pacman"]
    pacman += [f"--cachedir={root}/var/cache", f"--hookdir={root}/hooks", f"--gpgdir={root}/gpg"]
    (root / "var/lib/pacman").mkdir(parents=True)
    (root / "var/cache").mkdir(parents=True)
    lines = run(*pacman, "-Qlp", package).splitlines()
    listed = {line.split(maxsplit=1)[1].removeprefix(f"{root}/") for line in lines if not line.endswith("/")}
    same(listed, OTHERS, f"the files in {package.name}")
    has(run(*pacman, "-Qip", package, env={"LC_ALL": "C"}), f": {machine}\n", package.name)
    if not install:
        return
    run(*pacman, "-U", package)
    installed(root, OTHERS, content)
    frees(root / "usr/bin/kill_port", root)
    run(*pacman, "-R", NAME)
    gone(root, OTHERS)


def apk(package, machine, content, native, root):
    """Alpine's own program is in no package of Debian: the file is unpacked as it is, a tape archive in two parts."""
    say(f"{package.name}: listed")
    with tarfile.open(package, ignore_zeros=True) as file:
        about = file.extractfile(".PKGINFO").read().decode()
        file.extractall(root)
    has(about, f"pkgname = {NAME}\n", package.name)
    has(about, f"arch = {machine}\n", package.name)
    installed(root, OTHERS, content)
    if native:
        skip(f"{package.name} is not installed: apk is not here")
