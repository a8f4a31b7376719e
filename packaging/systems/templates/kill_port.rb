# Homebrew: Formula/kill_port.rb of a tap.
class KillPort < Formula
  desc "@SUMMARY@"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "@URL aarch64-apple-darwin@"
      sha256 "@SHA256 aarch64-apple-darwin@"
    end
    on_intel do
      url "@URL x86_64-apple-darwin@"
      sha256 "@SHA256 x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "@URL aarch64-unknown-linux-musl@"
      sha256 "@SHA256 aarch64-unknown-linux-musl@"
    end
    on_intel do
      url "@URL x86_64-unknown-linux-musl@"
      sha256 "@SHA256 x86_64-unknown-linux-musl@"
    end
  end

  def install
    bin.install "kill_port"
    man1.install "man/kill_port.1"
    bash_completion.install "completions/kill_port.bash" => "kill_port"
    zsh_completion.install "completions/_kill_port"
    fish_completion.install "completions/kill_port.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kill_port --version")
    server = TCPServer.new("127.0.0.1", 0)
    port = server.addr[1]
    server.close
    system bin/"kill_port", "--in", testpath, port.to_s
  end
end
