/*-------------------------------------------------------------------------
 *
 * http_redirect.c
 *	  Redirects: which are followed, and as what.
 *
 * Redirects are followed by us and not by libcurl: it drops Authorization on
 * the way to another host, but not the other headers that carry a key.  So
 * only the same scheme, host and port are followed.  As browsers and libcurl
 * do, 301 and 302 turn a POST into a GET without a body, 303 turns every
 * method but HEAD into one, 307 and 308 repeat the request as it was.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_result.h"

#include <string.h>
#include <strings.h>

#include "http/http_failure.h"
#include "http/http_setup.h"

#define MAX_REDIRECTS 5

/* Equal, where two absent parts are too? */
static bool
same_part(CURLU *one, CURLU *other, CURLUPart part)
{
	char	   *a = NULL;
	char	   *b = NULL;
	bool		same;

	(void) curl_url_get(one, part, &a, CURLU_DEFAULT_PORT);
	(void) curl_url_get(other, part, &b, CURLU_DEFAULT_PORT);
	if (a == NULL || b == NULL)
		same = a == b;
	else
		same = strcasecmp(a, b) == 0;
	curl_free(a);
	curl_free(b);
	return same;
}

/* May what was meant for one URL, secrets too, be sent to the other? */
static bool
same_origin(const char *from, const char *to)
{
	CURLU	   *one = curl_url();
	CURLU	   *other = curl_url();
	bool		same;

	same = one != NULL && other != NULL &&
		curl_url_set(one, CURLUPART_URL, from, 0) == CURLUE_OK &&
		curl_url_set(other, CURLUPART_URL, to, 0) == CURLUE_OK &&
		same_part(one, other, CURLUPART_SCHEME) &&
		same_part(one, other, CURLUPART_HOST) &&
		same_part(one, other, CURLUPART_PORT) &&
		same_part(one, other, CURLUPART_USER);
	curl_url_cleanup(one);
	curl_url_cleanup(other);
	return same;
}

bool
handle_follow_redirect(HttpHandle *handle, const char *target)
{
	int			status = handle->result.status;
	char	   *current = NULL;
	char	   *method = NULL;
	bool		as_get;

	(void) curl_easy_getinfo(handle->easy, CURLINFO_EFFECTIVE_URL, &current);
	(void) curl_easy_getinfo(handle->easy, CURLINFO_EFFECTIVE_METHOD, &method);
	if (current == NULL || !same_origin(current, target))
	{
		handle_refuse(handle, HTTP_REFUSED_REDIRECT,
					  "redirect to another scheme, host or port refused", "");
		return false;
	}
	if (++handle->redirects > MAX_REDIRECTS)
	{
		handle_refuse(handle, HTTP_REFUSED_REDIRECT, "too many redirects", "");
		return false;
	}
	as_get = !handle->is_get_or_head &&
		(status == 303 ||
		 ((status == 301 || status == 302) && method != NULL && strcmp(method, "POST") == 0));
	return handle_repeat(handle, target, as_get);
}
