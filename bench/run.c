/* run PORT SECONDS COMMAND [ARGUMENT...]    (or LOW-HIGH for a range of ports, or - for none)
 *
 * Times one command, from starting it until it has exited and the port is
 * free, and prints: nanoseconds, peak resident memory in KiB (of the command
 * or of its largest child), exit status (128 + N after signal N), and whether
 * the port came free (1) or not (0).
 *
 * It is this small, and static, because Linux counts what the parent had
 * resident at exec towards the peak of the child.
 */
#define _GNU_SOURCE
#include "sock_diag.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static volatile pid_t child;

static void give_up(int signal_number)
{
	(void)signal_number;
	kill(-child, SIGKILL);
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The caller may ignore it; the child would inherit that, and wait4() would have nothing to report. */
	signal(SIGCHLD, SIG_DFL);
	int no_port = strcmp(argv[1], "-") == 0;
	struct ports ports = no_port ? (struct ports){0, 0} : parse_ports(argv[1]);
	int seconds = atoi(argv[2]);
	int netlink = open_sock_diag();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		die("/dev/null");

	long long start = now();
	child = vfork();
	if (child == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	if (child < 0)
		die("vfork");
	signal(SIGALRM, give_up);
	alarm(seconds);

	int status;
	struct rusage usage;
	while (wait4(child, &status, 0, &usage) < 0)
		;
	alarm(0);
	long long end;
	int left;
	do {
		left = no_port ? 0 : sockets_on(netlink, ports);
		end = now();
	} while (left > 0 && end - start < seconds * 1000000000LL);
	/* What the command may have left running in its process group. */
	kill(-child, SIGKILL);

	printf("%lld %ld %d %d\n", end - start, usage.ru_maxrss,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), left == 0);
	return 0;
}
