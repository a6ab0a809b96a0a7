/*-------------------------------------------------------------------------
 *
 * refused_curl.c
 *	  For LD_PRELOAD: libcurl says that it is 8.9.0, one of the releases that cannot
 *	  be used.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <curl/curl.h>
#include <dlfcn.h>

curl_version_info_data *
curl_version_info(CURLversion age)
{
	static curl_version_info_data info;
	curl_version_info_data *(*real) (CURLversion);

	*(void **) &real = dlsym(RTLD_NEXT, "curl_version_info");
	if (real != NULL)
		info = *real(age);
	info.version_num = 0x080900;
	return &info;
}
