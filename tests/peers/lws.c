/*
 * Echoes, with libwebsockets at either end, and compressed.
 *
 * usage: lws server
 *        lws client [--takeover] ws://HOST:PORT/PATH
 *
 * A server prints `listening PORT`, and sends every message back until it is ended. A client sends ten messages of
 * each size, text and binary, and expects each back before it sends the next; then it prints `echoed N` and closes.
 * With --takeover its messages may refer to those before; a server does as the client asks.
 */

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN_MAX (1 << 20)

/* libwebsockets hands out no empty messages: there is none here. */
static const size_t sizes[] = {1, 125, 126, 1 << 10, 64 << 10, 1 << 20};
#define SIZES (sizeof sizes / sizeof *sizes)
#define MESSAGES ((int)(SIZES * 20))

struct peer {
	/* `due`: it is our turn to say what is in the buffer. */
	int binary, whole, due;
	size_t len;
	unsigned char buffer[LWS_PRE + LEN_MAX];
};

static int sent, done;

/* Appends what came; whether the message is whole. */
static int received(struct lws *wsi, struct peer *peer, const void *in, size_t len)
{
	/* Of a compressed message several pieces may be called the first. */
	if (peer->whole)
		peer->len = 0;
	peer->binary = lws_frame_is_binary(wsi);
	if (len > LEN_MAX - peer->len) {
		fprintf(stderr, "too long\n");
		exit(1);
	}
	memcpy(peer->buffer + LWS_PRE + peer->len, in, len);
	peer->len += len;
	peer->whole = lws_is_final_fragment(wsi);
	return peer->whole;
}

static int say(struct lws *wsi, struct peer *peer)
{
	int written;
	/* Asked to write without having asked for it: after a piece of what is compressed. */
	if (!peer->due)
		return 0;
	peer->due = 0;
	written = lws_write(wsi, peer->buffer + LWS_PRE, peer->len,
				peer->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
	return written < (int)peer->len ? -1 : 0;
}

static void compose(int index, struct peer *peer)
{
	unsigned char *to = peer->buffer + LWS_PRE;
	char line[128];
	int i = index / 2 % 10, len;
	peer->binary = index % 2;
	peer->len = sizes[index / 20];
	/* What comes next is the first of another. */
	peer->whole = peer->due = 1;
	len = sprintf(line, "message %d says for the %d. time that all work and no play makes Jack a dull boy\n",
		      (int)peer->len, i);
	for (size_t at = 0; at < peer->len; at++)
		to[at] = peer->binary ? (at % 251 * 7 + i) % 251 : (unsigned char)line[at % len];
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	static struct peer expected;
	struct peer *peer = user;

	switch (reason) {
	case LWS_CALLBACK_RECEIVE:
		if (received(wsi, peer, in, len)) {
			peer->due = 1;
			lws_callback_on_writable(wsi);
		}
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return say(wsi, peer);

	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		compose(sent, peer);
		lws_callback_on_writable(wsi);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		if (sent == MESSAGES) {
			lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
			return -1;
		}
		return say(wsi, peer);
	case LWS_CALLBACK_CLIENT_RECEIVE:
		if (!received(wsi, peer, in, len))
			break;
		compose(sent, &expected);
		if (peer->binary != expected.binary || peer->len != expected.len ||
		    memcmp(peer->buffer + LWS_PRE, expected.buffer + LWS_PRE, peer->len)) {
			fprintf(stderr, "message %d is another: %zu bytes\n", sent, peer->len);
			exit(1);
		}
		if (++sent < MESSAGES) {
			compose(sent, peer);
		} else {
			printf("echoed %d\n", sent);
			fflush(stdout);
		}
		lws_callback_on_writable(wsi);
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "no connection: %s\n", in ? (char *)in : "");
		exit(1);
	case LWS_CALLBACK_CLIENT_CLOSED:
		done = 1;
		break;
	default:
		break;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {{"echo", callback, sizeof(struct peer), 16 << 10, 0, NULL, 0},
							 {NULL, NULL, 0, 0, 0, NULL, 0}};
	static struct lws_extension extensions[] = {
		{"permessage-deflate", lws_extension_callback_pm_deflate,
		 "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		{NULL, NULL, NULL},
	};
	struct lws_context_creation_info info = {0};
	int server = argc > 1 && !strcmp(argv[1], "server");

	if (argc > 2 && !strcmp(argv[2], "--takeover"))
		extensions[0].client_offer = "permessage-deflate; client_max_window_bits";
	lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
	info.port = server ? 0 : CONTEXT_PORT_NO_LISTEN;
	info.iface = server ? "127.0.0.1" : NULL;
	info.protocols = protocols;
	info.extensions = extensions;
	info.gid = info.uid = -1;
	struct lws_context *context = lws_create_context(&info);
	if (!context)
		return 1;
	if (server) {
		printf("listening %d\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")));
		fflush(stdout);
	} else {
		struct lws_client_connect_info to = {0};
		const char *scheme, *path;
		char slashed[128];
		if (lws_parse_uri(argv[argc - 1], &scheme, &to.address, &to.port, &path))
			return 1;
		snprintf(slashed, sizeof slashed, "/%s", path);
		to.context = context;
		to.host = to.address;
		to.path = slashed;
		/* No subprotocol is asked for. */
		to.local_protocol_name = "echo";
		if (!lws_client_connect_via_info(&to))
			return 1;
	}
	while (!done && lws_service(context, 0) >= 0)
		;
	lws_context_destroy(context);
	return sent == MESSAGES ? 0 : 1;
}
