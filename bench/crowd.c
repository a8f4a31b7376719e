/* crowd PROCESSES DESCRIPTORS
 *
 * A busy machine: so many processes with so many open descriptors each, a mix
 * of sockets, pipes and a file. All are duplicates of a few, so that a million
 * of them need little memory. Every process writes one byte to the standard
 * output when it is ready, and dies with its parent.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void one_process(pid_t parent, const int *sources, int descriptors)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(0);
	/* The parent's descriptors, 0 to 7, are there already. */
	for (int count = 8; count < descriptors; count++)
		if (dup(sources[count % 5]) < 0)
			die("dup");
	if (write(1, ".", 1) != 1)
		exit(2);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	int processes = atoi(argv[1]), descriptors = atoi(argv[2]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);

	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);

	int sources[5];
	if (pipe(sources) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sources + 2) < 0 ||
	    (sources[4] = open("/dev/null", O_RDWR)) < 0)
		die("crowd");
	pid_t self = getpid();
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (child == 0)
			one_process(self, sources, descriptors);
	}
	for (;;)
		pause();
}
