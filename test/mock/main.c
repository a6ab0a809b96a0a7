/*-------------------------------------------------------------------------
 *
 * main.c
 *	  The mock API server: options, start, end.  README.md says what it serves.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arrivals.h"
#include "inputlog.h"
#include "recent.h"
#include "server.h"
#include "stats.h"

typedef struct Options
{
	const char *host;
	const char *port;
	const char *port_file;		/* or NULL */
	unsigned	threads;
	bool		with_parent;
} Options;

static void
usage(FILE *out)
{
	fputs("usage: mockapi [--port 0] [--host 127.0.0.1] [--threads 1] [--port-file FILE] "
		  "[--with-parent]\n", out);
}

static Options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"host", required_argument, NULL, 'h'},
		{"threads", required_argument, NULL, 't'},
		{"port-file", required_argument, NULL, 'f'},
		{"with-parent", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, '?'},
		{NULL, 0, NULL, 0}
	};
	Options		options = {"127.0.0.1", "0", NULL, 1, false};
	int			c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (c)
		{
			case 'p':
				options.port = optarg;
				break;
			case 'h':
				options.host = optarg;
				break;
			case 't':
				options.threads = (unsigned) strtoul(optarg, NULL, 10);
				break;
			case 'f':
				options.port_file = optarg;
				break;
			case 'w':
				options.with_parent = true;
				break;
			default:
				usage(stderr);
				exit(2);
		}
	if (optind < argc || options.threads < 1 || options.threads > 64)
	{
		usage(stderr);
		exit(2);
	}
	return options;
}

/* A parent that ended before prctl took effect is seen by its pid. */
static void
die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		exit(1);
}

/* One connection, one descriptor: as many as we may have. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Whoever sees the file sees the whole port. */
static bool
write_port_file(const char *name, int port)
{
	Buffer		temporary = {0};
	FILE	   *file;
	bool		good;

	buffer_append_format(&temporary, "%s.%ld", name, (long) getpid());
	buffer_append_char(&temporary, '\0');
	file = fopen(temporary.data, "w");
	good = file != NULL && fprintf(file, "%d\n", port) > 0;
	if (file != NULL && fclose(file) != 0)
		good = false;
	good = good && rename(temporary.data, name) == 0;
	if (!good)
		fprintf(stderr, "mockapi: %s: %s\n", name, strerror(errno));
	buffer_free(&temporary);
	return good;
}

int
main(int argc, char **argv)
{
	pid_t		parent = getppid();
	Options		options = read_options(argc, argv);
	sigset_t	ending;
	int			signal_number;
	int			port;

	if (options.with_parent)
		die_with_parent(parent);
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		fputs("mockapi: no locale C.UTF-8: only ASCII letters change their case\n", stderr);
	raise_descriptor_limit();

	/* blocked before any thread starts, so that all of them leave it to us */
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ending, NULL);
	signal(SIGPIPE, SIG_IGN);

	port = server_start(options.host, options.port, options.threads);
	if (port == 0 || (options.port_file != NULL && !write_port_file(options.port_file, port)))
		return 1;
	printf("listening on %d\n", port);
	fflush(stdout);

	sigwait(&ending, &signal_number);
	server_stop();
	stats_reset();
	inputlog_clear();
	recent_clear();
	arrivals_clear();
	return 0;
}
