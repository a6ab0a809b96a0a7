/*-------------------------------------------------------------------------
 *
 * http_order_test.c
 *	  Unit driver for http_order.c: which sockets are read first.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_order.h"
#include "tap.h"

#define MOST 40
#define WRITES 100
#define A_WHILE INT64_C(1000000)	/* all sockets are equal again */

static HttpOrder order;

static void
begin(void)
{
	memset(&order, 0, sizeof(order));
	order.last = -1;
}

/*
 * The sockets that are ready, up to a -1, in the order they are to be handled in: "3 4 | 1 2".
 * Those above WRITES want to write.
 */
static const char *
sorted(const int *ready, int64_t now)
{
	static char text[400];
	Event		events[MOST] = {0};
	Event		result[MOST];
	int			count = 0;
	int			first_kinds;

	for (; ready[count] >= 0; count++)
		events[count] = (Event) {.fd = ready[count], .readable = ready[count] < WRITES,
			.writable = ready[count] > WRITES};
	first_kinds = http_order_sort(&order, events, count, now, result);
	text[0] = '\0';
	for (int i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%d", i > 0 ? " " : "",
				 first_kinds > 0 && i == first_kinds ? "| " : "", result[i].fd);
	return text;
}

#define SORTED(now, ...) sorted((const int[]) {__VA_ARGS__, -1}, now)

static void
test_turns(void)
{
	begin();
	is_str(SORTED(0, 5, 6, 7), "5 6 7", "nothing was handled yet");
	ok(!http_order_note(&order, 6, false, 0), "what is whole stops nobody");
	is_str(SORTED(0, 5, 6, 7), "7 5 6", "behind the last one, in turn");
	http_order_note(&order, 7, false, 0);
	is_str(SORTED(0, 5, 6, 7), "5 6 7", "the last of all");
	is_str(SORTED(0, 5, 6), "5 6", "the last one is not ready");
	is_str(SORTED(0, 9), "9", "a single one");
}

static void
test_begun(void)
{
	begin();
	for (int fd = 1; fd < HTTP_ORDER_BEGUN; fd++)
		ok(!http_order_note(&order, fd, true, 0), "another one may be begun");
	is_str(SORTED(0, 9, 3, 8, 1), "3 1 | 8 9", "large answers that are begun come first");
	ok(http_order_note(&order, HTTP_ORDER_BEGUN, true, 0), "no more are to be begun");
	ok(http_order_note(&order, 1, true, 0), "nor while one of them goes on");
	ok(!http_order_note(&order, 9, false, 0), "what is no large answer stops nobody");
	is_str(SORTED(0, 9, 8, 7), "8 7 9", "none of those that are begun is ready");
	ok(http_order_note(&order, 8, true, 0), "then one of the others goes on");
	is_str(SORTED(0, 9, 8, 2), "2 | 9 8", "which is not one of those that are begun");
	ok(!http_order_note(&order, 2, false, 0), "one is whole");
	is_str(SORTED(0, 9, 8, 2, 3), "3 | 9 8 2", "it is begun no more");
	ok(http_order_note(&order, 9, true, 0), "another takes its place");
	is_str(SORTED(0, 9, 8, 2, 3), "9 3 | 8 2", "and comes first");
}

static void
test_writing(void)
{
	begin();
	is_str(SORTED(0, 1, 101, 2), "101 | 1 2", "what wants to write comes first");
	for (int fd = 1; fd <= HTTP_ORDER_BEGUN; fd++)
		http_order_note(&order, fd, true, 0);
	is_str(SORTED(0, 9, 2, 101, 102, 1), "101 102 2 1 | 9", "before large answers that are begun");
	http_order_note(&order, 101, true, 0);
	is_str(SORTED(0, 101, 2), "101 2", "and once, if it has one itself");
}

/* Answers that come in for ever keep out no others. */
static void
test_a_while(void)
{
	bool		handled[MOST] = {false};
	int			missing = 0;

	begin();
	for (int round = 0; round < MOST; round++)
	{
		Event		events[MOST];
		Event		result[MOST];
		int64_t		now = round * A_WHILE;
		int			first_kinds;

		for (int i = 0; i < MOST; i++)
			events[i] = (Event) {.fd = i, .readable = true};
		first_kinds = http_order_sort(&order, events, MOST, now, result);
		for (int i = 0; i < MOST; i++)
		{
			handled[result[i].fd] = true;
			if (http_order_note(&order, result[i].fd, true, now) && i + 1 >= first_kinds)
				break;
		}
	}
	for (int fd = 0; fd < MOST; fd++)
		missing += !handled[fd];
	is_int(missing, 0, "all have their turn");
	is_int(order.begun_count, HTTP_ORDER_BEGUN, "though none was ever whole");
}

int
main(void)
{
	test_turns();
	test_begun();
	test_writing();
	test_a_while();
	return done_testing();
}
