/* connections COUNT ADDRESS
 * connections COUNT ADDRESS ended
 *
 * Holds COUNT established TCP connections from ADDRESS to itself, both ends in
 * this process. They are reset at the end, so that none of them stays in
 * TIME_WAIT.
 *
 * Or, as a load test does that has ended: closes each at once, the client
 * first, so that all the clients' ports stay in TIME_WAIT, and nothing listens.
 *
 * It writes one byte to its standard output when they are there, and dies with
 * its parent.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void reset_on_close(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int main(int argc, char **argv)
{
	if (argc != 3 && (argc != 4 || strcmp(argv[3], "ended") != 0))
		return 2;
	int ended = argc == 4;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);

	struct sockaddr_in server = {.sin_family = AF_INET}, client = {.sin_family = AF_INET};
	if (!inet_aton(argv[2], &server.sin_addr))
		return 2;
	client.sin_addr = server.sin_addr;
	socklen_t length = sizeof server;
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	if (bind(listener, (struct sockaddr *)&server, length) < 0 || listen(listener, 128) < 0 ||
	    getsockname(listener, (struct sockaddr *)&server, &length) < 0)
		die("connections: listener");

	for (int i = atoi(argv[1]); i > 0; i--) {
		int near_end = socket(AF_INET, SOCK_STREAM, 0);
		/* The port is chosen at connect(), per destination; at bind() none that is in TIME_WAIT is taken again. */
		if (!ended)
			setsockopt(near_end, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
		if (near_end < 0 || bind(near_end, (struct sockaddr *)&client, sizeof client) < 0 ||
		    connect(near_end, (struct sockaddr *)&server, length) < 0)
			die("connections: connect");
		int far_end = accept(listener, NULL, NULL);
		if (far_end < 0)
			die("connections: accept");
		if (ended) {
			close(near_end);
			close(far_end);
		} else {
			reset_on_close(near_end);
			reset_on_close(far_end);
		}
	}
	if (ended)
		close(listener);
	if (write(1, ".", 1) != 1)
		return 2;
	for (;;)
		pause();
}
