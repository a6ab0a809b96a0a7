/*-------------------------------------------------------------------------
 *
 * http_lookup.c
 *	  Why a host was not found: there is none of that name, or nobody could be asked.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_failure.h"

#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* A look-up that failed slower than this is not tried once more while all else waits. */
#define MAX_SECOND_LOOKUP_US 1000000

/* Does this libc tell "no such name" from "could not ask"?  POSIX has one word for the first. */
static bool
means_unknown(int code)
{
#ifdef EAI_NODATA
	if (code == EAI_NODATA)
		return true;
#endif
	return code == EAI_NONAME;
}

/* Names below .invalid are unknown whoever is asked, or cannot be (RFC 6761). */
static bool
is_invalid_by_design(const char *host)
{
	static const char suffix[] = ".invalid";
	size_t		length = strlen(host);

	return length >= sizeof(suffix) &&
		strcasecmp(host + length - (sizeof(suffix) - 1), suffix) == 0;
}

/* The host that was looked up: the URL's, or the proxy's.  To be freed with curl_free; or NULL. */
static char *
looked_up_host(const HttpHandle *handle, CURLcode code)
{
	CURLU	   *parsed = curl_url();
	char	   *url = NULL;
	char	   *host = NULL;

	if (parsed == NULL)
		return NULL;
	if (code == CURLE_COULDNT_RESOLVE_PROXY)
		url = (char *) handle->settings.proxy;
	else
		(void) curl_easy_getinfo(handle->easy, CURLINFO_EFFECTIVE_URL, &url);
	if (url != NULL && curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME |
									CURLU_GUESS_SCHEME) == CURLUE_OK)
		(void) curl_url_get(parsed, CURLUPART_HOST, &host, 0);
	curl_url_cleanup(parsed);
	return host;
}

/*
 * Is there no such host, or could it only not be looked up just now?  libcurl does
 * not say which, so ask again.  This waits; but only where libcurl was told at
 * once, so the answer comes as fast.  A look-up that took long is in trouble anyway.
 */
bool
handle_host_is_unknown(const HttpHandle *handle, CURLcode code)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses = NULL;
	curl_off_t	elapsed_us = 0;
	char	   *host = looked_up_host(handle, code);
	int			result = EAI_NONAME;

	if (host != NULL && !is_invalid_by_design(host))
	{
		(void) curl_easy_getinfo(handle->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
		result = elapsed_us > MAX_SECOND_LOOKUP_US ? EAI_AGAIN
			: getaddrinfo(host, NULL, &hints, &addresses);
		if (result == 0)
			freeaddrinfo(addresses);
	}
	curl_free(host);
	return means_unknown(result);
}
