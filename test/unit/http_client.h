/*-------------------------------------------------------------------------
 *
 * http_client.h
 *	  Our side of the drivers that talk to http_server.h: an Http, and waiting for what
 *	  it brings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_CLIENT_H
#define PG_ENRICH_HTTP_CLIENT_H

#include <poll.h>

#include "base/clock.h"
#include "http/http.h"
#include "loopback.h"

static Http *
create(int max_connections)
{
	char		error[256];
	Http	   *http = http_create(max_connections, clock_now, error, sizeof(error));

	if (http == NULL)
		bail_out(error);
	return http;
}

/* The next result, however long it takes; its body is the caller's. */
static HttpResult
take_result(Http *http)
{
	HttpResult	result;

	while (!http_next_finished(http, &result))
	{
		struct pollfd watched = {http_descriptor(http), POLLIN, 0};
		int64_t		timeout = http_timeout(http);

		if (poll(&watched, 1, timeout < 0 || timeout > 20000 ? 20000 : (int) timeout) == 0 &&
			timeout > 20000)
			bail_out("nothing happens");
		http_pump(http);
	}
	return result;
}

#endif							/* PG_ENRICH_HTTP_CLIENT_H */
