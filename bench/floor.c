/* floor PORT [PID...]    (or LOW-HIGH for a range of ports)
 *
 * The least that freeing a port can cost: no discovery at all. It is told who
 * holds the port, sends SIGTERM and asks the kernel until the port is free.
 */
#include "sock_diag.h"
#include <signal.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	struct ports ports = parse_ports(argv[1]);
	int netlink = open_sock_diag();
	for (int i = 2; i < argc; i++)
		if (kill(atoi(argv[i]), SIGTERM) < 0)
			die("kill");
	while (sockets_on(netlink, ports) > 0)
		;
	return 0;
}
