/* Asks the kernel, through sock_diag, how many sockets still hold a port.
 *
 * A TCP socket in LISTEN and a UDP socket that is not connected count, both in
 * IPv4 and in IPv6. One port is filtered by the kernel itself; a range of
 * ports costs one dump of all listening sockets.
 */
#ifndef SOCK_DIAG_H
#define SOCK_DIAG_H

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct ports {
	int low, high;
};

enum { STATE_UNCONNECTED = 1 << 7, STATE_LISTEN = 1 << 10 };

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* "8080" or "8080-8089". */
static struct ports parse_ports(const char *text)
{
	struct ports ports = {0, 0};
	int fields = sscanf(text, "%d-%d", &ports.low, &ports.high);
	if (fields == 1)
		ports.high = ports.low;
	if (fields < 1 || ports.low < 1 || ports.high < ports.low || ports.high > 65535) {
		fprintf(stderr, "not a port or a range of ports: %s\n", text);
		exit(2);
	}
	return ports;
}

static int open_sock_diag(void)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		die("netlink socket");
	return netlink;
}

static int count_in_dump(int netlink, struct ports ports, int family, int protocol, int states)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request;
	static char buffer[65536] __attribute__((aligned(8)));
	int count = 0;

	memset(&request, 0, sizeof request);
	request.header.nlmsg_len = sizeof request;
	request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.body.sdiag_family = family;
	request.body.sdiag_protocol = protocol;
	request.body.idiag_states = states;
	if (ports.low == ports.high)
		request.body.id.idiag_sport = htons(ports.low);
	if (send(netlink, &request, sizeof request, 0) < 0)
		die("sock_diag request");

	for (;;) {
		ssize_t length = recv(netlink, buffer, sizeof buffer, 0);
		if (length < 0)
			die("sock_diag answer");
		for (struct nlmsghdr *row = (struct nlmsghdr *)buffer; NLMSG_OK(row, length);
		     row = NLMSG_NEXT(row, length)) {
			/* Either may carry an error, such as ENOENT where udp_diag is missing. "No rows" would be wrong then. */
			if (row->nlmsg_type == NLMSG_DONE || row->nlmsg_type == NLMSG_ERROR) {
				int error = 0;
				if (row->nlmsg_len >= NLMSG_LENGTH(sizeof error))
					memcpy(&error, NLMSG_DATA(row), sizeof error);
				if (error < 0) {
					fprintf(stderr, "sock_diag: %s\n", strerror(-error));
					exit(2);
				}
				return count;
			}
			struct inet_diag_msg *found = NLMSG_DATA(row);
			int port = ntohs(found->id.idiag_sport);
			if (port >= ports.low && port <= ports.high)
				count++;
		}
	}
}

static int sockets_on(int netlink, struct ports ports)
{
	return count_in_dump(netlink, ports, AF_INET, IPPROTO_TCP, STATE_LISTEN) +
	       count_in_dump(netlink, ports, AF_INET6, IPPROTO_TCP, STATE_LISTEN) +
	       count_in_dump(netlink, ports, AF_INET, IPPROTO_UDP, STATE_UNCONNECTED) +
	       count_in_dump(netlink, ports, AF_INET6, IPPROTO_UDP, STATE_UNCONNECTED);
}

#endif
