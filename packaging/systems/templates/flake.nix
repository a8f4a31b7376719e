{
  description = "@SUMMARY@";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      version = "@VERSION@";
      archives = {
        x86_64-linux = {
          triple = "x86_64-unknown-linux-musl";
          sha256 = "@SHA256 x86_64-unknown-linux-musl@";
        };
        aarch64-linux = {
          triple = "aarch64-unknown-linux-musl";
          sha256 = "@SHA256 aarch64-unknown-linux-musl@";
        };
        x86_64-darwin = {
          triple = "x86_64-apple-darwin";
          sha256 = "@SHA256 x86_64-apple-darwin@";
        };
        aarch64-darwin = {
          triple = "aarch64-apple-darwin";
          sha256 = "@SHA256 aarch64-apple-darwin@";
        };
      };
    in
    {
      packages = builtins.mapAttrs (
        system: archive:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          default = pkgs.stdenvNoCC.mkDerivation {
            pname = "kill_port";
            inherit version;
            src = pkgs.fetchurl {
              url = "@REPOSITORY@/releases/download/v${version}/kill_port-${version}-${archive.triple}.tar.gz";
              inherit (archive) sha256;
            };
            nativeBuildInputs = [ pkgs.installShellFiles ];
            installPhase = ''
              runHook preInstall
              install -Dm755 kill_port $out/bin/kill_port
              installManPage man/kill_port.1
              installShellCompletion --cmd kill_port \
                --bash completions/kill_port.bash \
                --zsh completions/_kill_port \
                --fish completions/kill_port.fish
              runHook postInstall
            '';
            meta = {
              description = "@SUMMARY@";
              homepage = "@REPOSITORY@";
              license = [
                pkgs.lib.licenses.mit
                pkgs.lib.licenses.asl20
              ];
              mainProgram = "kill_port";
              platforms = builtins.attrNames archives;
            };
          };
        }
      ) archives;
    };
}
