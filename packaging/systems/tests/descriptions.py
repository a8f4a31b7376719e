"""Homebrew, scoop, winget, the AUR and Nix: the syntax, and that every archive that is named is there with that checksum."""

import json
import re
import shutil

from common import CARGO, NATIVE, PROJECT, VERSION, archive_name, fail, frees, run, same, say, skip, unpacked

NAME = PROJECT["names"]["system"] + "-bin"
FILES = ["kill_port.rb", "scoop.json", "flake.nix", "aur/PKGBUILD", "aur/.SRCINFO"]
FILES += [f"winget/js0-site.kill_port{part}.yaml" for part in ["", ".installer", ".locale.en-US"]]

# Just enough of Homebrew to see which archive it takes.
BREW = """
class Formula
  def self.test
  end

  def self.method_missing(name, *arguments, &block)
    case name
    when :on_macos, :on_linux, :on_arm, :on_intel then block.call if ARGV.include?(name.to_s)
    when :url, :sha256 then puts arguments[0]
    end
  end
end
load ARGV[0]
"""
# Just enough of nixpkgs to see what is built of what.
NIX = """
let
  flake = import FLAKE;
  pkgs = { fetchurl = source: source; stdenvNoCC.mkDerivation = package: package; installShellFiles = null;
    lib.licenses = { mit = "MIT"; asl20 = "Apache-2.0"; }; };
  systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
  nixpkgs.legacyPackages = builtins.listToAttrs (map (name: { inherit name; value = pkgs; }) systems);
  made = flake.outputs { self = { }; inherit nixpkgs; };
in builtins.mapAttrs (_: system: { inherit (system.default) version src meta; }) made.packages
"""


def test(made, archives, work):
    sums = {name: checksum for checksum, name in (line.split() for line in (archives / "SHA256SUMS").read_text().splitlines())}
    missing = [archive_name(target["triple"]) for target in PROJECT["target"] if archive_name(target["triple"]) not in sums]
    if missing:
        return skip(f"what package managers read, since {', '.join(missing)} is missing")
    same([name for name in FILES if not (made / name).is_file()], [], "what was not made")
    source = lambda triple: (f"{CARGO['repository']}/releases/download/v{VERSION}/{archive_name(triple)}", sums[archive_name(triple)])
    homebrew(made / "kill_port.rb", source)
    scoop(made / "scoop.json", source)
    winget(made / "winget", source)
    aur(made / "aur", archives, source, work)
    nix(made / "flake.nix", source)


def homebrew(file, source):
    if not shutil.which("ruby"):
        return skip("the formula of Homebrew: ruby is not here")
    say("Homebrew: the syntax, and which archive each machine gets")
    run("ruby", "-c", file)
    machines = {"aarch64-apple-darwin": ["on_macos", "on_arm"], "x86_64-apple-darwin": ["on_macos", "on_intel"]}
    machines |= {"aarch64-unknown-linux-musl": ["on_linux", "on_arm"], NATIVE: ["on_linux", "on_intel"]}
    for triple, blocks in machines.items():
        same(tuple(run("ruby", "-e", BREW, file, *blocks).split()), source(triple), f"what Homebrew takes for {triple}")
    skip("installing with Homebrew, scoop, winget and Nix: none of them is here")


def scoop(file, source):
    say("scoop")
    told = json.loads(file.read_text())
    same(told["version"], VERSION, "scoop's version")
    one = told["architecture"]["64bit"]
    same((one["url"], one["hash"]), source("x86_64-pc-windows-gnu"), "what scoop takes")
    same(one["extract_dir"], f"kill_port-{VERSION}-x86_64-pc-windows-gnu", "where scoop looks for the command")
    later = told["autoupdate"]["architecture"]["64bit"]
    same([later[key].replace("$version", VERSION) for key in ["url", "extract_dir"]], [one["url"], one["extract_dir"]], "scoop's updates")


def winget(folder, source):
    say("winget")
    told = {path.name: dict(re.findall(r'^\s*-?\s*(\w+): "?(.*?)"?$', path.read_text(), re.MULTILINE)) for path in folder.iterdir()}
    for name, one in told.items():
        same(one["PackageIdentifier"], "js0-site.kill_port", name)
        same(one["PackageVersion"], VERSION, name)
    same({one["ManifestType"] for one in told.values()}, {"version", "installer", "defaultLocale"}, "winget's files")
    one = told["js0-site.kill_port.installer.yaml"]
    same((one["InstallerUrl"], one["InstallerSha256"]), source("x86_64-pc-windows-gnu"), "what winget takes")
    same(one["RelativeFilePath"], f"kill_port-{VERSION}-x86_64-pc-windows-gnu\\kill_port.exe", "where winget looks for the command")


def aur(folder, archives, source, work):
    """Its functions are bash's, so that bash runs them as makepkg would."""
    say("the AUR: the package is put together, and used")
    run("bash", "-n", folder / "PKGBUILD")
    told = dict(re.findall(r"^\t?([a-z0-9_]+) = (.*)$", (folder / ".SRCINFO").read_text(), re.MULTILINE))
    for machine in ["x86_64", "aarch64"]:
        triple = f"{machine}-unknown-linux-musl"
        ask = f'source "$1"; printf "%s\\n" "${{source_{machine}[0]}}" "${{sha256sums_{machine}[0]}}" "$pkgver" "$pkgdesc" "$url" "$pkgname"'
        says = run("bash", "-c", ask, "-", folder / "PKGBUILD").splitlines()
        same(tuple(says[:2]), source(triple), f"what the AUR takes for {machine}")
        keys = [f"source_{machine}", f"sha256sums_{machine}", "pkgver", "pkgdesc", "url", "pkgname"]
        same([told[key] for key in keys], says, ".SRCINFO says what PKGBUILD says")
    package = work / "aur"
    unpacked(archives, NATIVE, package / "src")
    run("bash", "-c", f'set -e; CARCH=x86_64; source "$1"; pkgdir={package}/pkg; cd {package}/src; package', "-", folder / "PKGBUILD")
    files = {str(path.relative_to(package / "pkg")) for path in (package / "pkg").rglob("*") if path.is_file()}
    for name in ["usr/bin/kill_port", "usr/share/man/man1/kill_port.1", f"usr/share/licenses/{NAME}/LICENSE-MIT"]:
        if name not in files:
            fail(f"the AUR's package has no {name}, only {files}")
    same(len(files), 7, f"how many files the AUR's package has: {files}")
    frees(package / "pkg/usr/bin/kill_port", package)


def nix(file, source):
    if not shutil.which("nix-instantiate"):
        return skip("the Nix flake: nix-instantiate is not here")
    say("Nix: the syntax, and what each system is built of")
    # Neither a store nor a user of its own is needed to read an expression.
    own = {"NIX_STATE_DIR": f"{file.parent}/nix", "NIX_STORE_DIR": f"{file.parent}/nix/store", "HOME": str(file.parent)}
    own |= {"NIX_LOCALSTATE_DIR": f"{file.parent}/nix", "NIX_CONFIG": "build-users-group ="}
    run("nix-instantiate", "--parse", file, env=own)
    said = run("nix-instantiate", "--eval", "--strict", "--json", "--expr", NIX.replace("FLAKE", str(file)), env=own)
    told = json.loads(said[said.index("{") :])
    systems = {"x86_64-linux": NATIVE, "aarch64-linux": "aarch64-unknown-linux-musl"}
    systems |= {"x86_64-darwin": "x86_64-apple-darwin", "aarch64-darwin": "aarch64-apple-darwin"}
    same(set(told), set(systems), "the systems of the flake")
    for system, triple in systems.items():
        same((told[system]["src"]["url"], told[system]["src"]["sha256"]), source(triple), f"what Nix takes for {system}")
        same(told[system]["version"], VERSION, "the flake's version")
