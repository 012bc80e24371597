// Who attaches to a container or exec: frames over a Unix socket in its directory (monitor.h). One outbox is shared by all clients; each
// remembers how far it has come in it, so memory does not grow with clients. While one is behind, nothing more is read from the container:
// a slow client slows it, as with dockerd. A client that goes away, or that sends nonsense, is dropped; nobody else notices.
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_BYTES 8
#define INPUT_FRAME_MAX_BYTES (16 * 1024 * 1024)
#define FINAL_MAX_BYTES (1024 * 1024)

struct client {
  int fd;
  int is_deaf;                        // takes no more output; what it has sent is still read
  int has_greeted;
  unsigned flags;
  size_t sent, frame_end;             // in the outbox; equal between frames
  unsigned char head[HEAD_BYTES + 8]; // a frame's head, and the payload of all frames but input
  size_t head_used;
  uint32_t input_left;                // of an input frame's payload
};

int streams_listen(struct streams *streams, const char *path) {
  streams->capacity = 2 * (HEAD_BYTES + CHUNK_BYTES);
  streams->out = malloc(streams->capacity);
  streams->clients = NULL;
  if (!streams->out) abort();
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  streams->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (streams->listener < 0 || bind(streams->listener, (struct sockaddr *)&address, sizeof address) || listen(streams->listener, CLIENTS_MAX)) return -1;
  return 0;
}

static uint32_t get_u32(const unsigned char *s) { return (uint32_t)s[0] << 24 | (uint32_t)s[1] << 16 | (uint32_t)s[2] << 8 | s[3]; }

static void put_head(char *at, int type, size_t length) {
  memset(at, 0, HEAD_BYTES);
  at[0] = (char)type;
  for (int i = 0; i < 4; i++) at[4 + i] = (char)(length >> (24 - 8 * i));
}

// ---- input: from clients to the container ----

void streams_close_input(struct streams *streams) {
  if (streams->input >= 0 && !streams->is_input_terminal) close(streams->input);
  streams->input = -1;
  streams->is_input_ending = 0;
  streams->in_used = streams->in_sent = 0;
}

static int is_input_waiting(const struct streams *streams) { return streams->in_used > 0; }

// What the client sent before comes first: the process may read it much later.
static void input_left(struct streams *streams, const struct client *client) {
  if (!(client->flags & HELLO_STDIN) || !streams->is_input_once || streams->is_input_terminal) return;
  if (is_input_waiting(streams)) streams->is_input_ending = 1; else streams_close_input(streams);
}

static void write_input(struct streams *streams) {
  while (streams->in_sent < streams->in_used) {
    if (streams->input < 0) break;     // nobody reads it: taken and dropped
    ssize_t n = write(streams->input, streams->in + streams->in_sent, streams->in_used - streams->in_sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) { streams_close_input(streams); break; }
    streams->in_sent += (size_t)n;
  }
  streams->in_used = streams->in_sent = 0;
  if (streams->is_input_ending) streams_close_input(streams);
}

// ---- clients ----

static void drop(struct streams *streams, struct client *client) {
  if (client->fd < 0) return;
  close(client->fd);
  client->fd = -1;
  streams->is_listener_tired = 0;
  input_left(streams, client);
  client->flags = 0;
}

static void forget_dropped(struct streams *streams) {
  int kept = 0;
  for (int i = 0; i < streams->count; i++) if (streams->clients[i].fd >= 0) streams->clients[kept++] = streams->clients[i];
  streams->count = kept;
  if (kept == 0) { free(streams->clients); streams->clients = NULL; }
}

static void accept_clients(struct streams *streams) {
  for (;;) {
    int fd = accept4(streams->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) streams->is_listener_tired = 1;
      return;
    }
    struct client *grown = streams->count < CLIENTS_MAX ? realloc(streams->clients, sizeof *grown * (size_t)(streams->count + 1)) : NULL;
    if (!grown) { close(fd); continue; }
    streams->clients = grown;
    streams->clients[streams->count++] = (struct client){ .fd = fd, .sent = streams->used, .frame_end = streams->used };
  }
}

// Its socket is new and empty, so this fits; a client for which it does not is none.
static int send_now(struct client *client, int type, const char *bytes, size_t count) {
  char frame[HEAD_BYTES + LINE_MAX_BYTES + 256];
  if (count > sizeof frame - HEAD_BYTES) return -1;
  put_head(frame, type, count);
  memcpy(frame + HEAD_BYTES, bytes, count);
  return send(client->fd, frame, HEAD_BYTES + count, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(HEAD_BYTES + count) ? 0 : -1;
}

// The answer says where in the log what this client will see begins. The beginnings of lines that are in no record yet follow as output.
static int greet(struct streams *streams, struct client *client, unsigned flags) {
  if (client->has_greeted) return -1;
  client->has_greeted = 1;
  client->flags = flags;
  if ((flags & HELLO_AWAITED) && streams->awaited > 0) streams->awaited--;
  uint64_t file = 0, offset = 0;
  int wants_position = (flags & HELLO_LOG_POSITION) && streams->log;
  if (wants_position) log_position(streams->log, &file, &offset);
  char text[128];
  int length = snprintf(text, sizeof text, "{\"tty\":%s,\"file\":\"%" PRIu64 "\",\"offset\":%" PRIu64 "}", streams->terminal >= 0 ? "true" : "false", file, offset);
  if (send_now(client, FRAME_GREETING, text, (size_t)length) != 0) return -1;
  for (int stream = 0; wants_position && stream < 2; stream++) {
    const struct log_stream *begun = &streams->log->streams[stream];
    if (begun->length == 0 || !(flags & (stream == STREAM_STDOUT ? HELLO_STDOUT : HELLO_STDERR))) continue;
    if (send_now(client, stream == STREAM_STDOUT ? FRAME_STDOUT : FRAME_STDERR, begun->line, begun->length) != 0) return -1;
  }
  return 0;
}

static int resize(const struct streams *streams, const unsigned char *payload) {
  struct winsize size = { .ws_row = (unsigned short)(payload[0] << 8 | payload[1]), .ws_col = (unsigned short)(payload[2] << 8 | payload[3]) };
  if (streams->terminal >= 0) ioctl(streams->terminal, TIOCSWINSZ, &size);
  return 0;
}

// A whole frame that is not input.
static int act_on_frame(struct streams *streams, struct client *client, int type, const unsigned char *payload, uint32_t length) {
  switch (type) {
    case FRAME_INPUT_END: if (length != 0) return -1; input_left(streams, client); return 0;
    case FRAME_SIZE: return length == 4 ? resize(streams, payload) : -1;
    case FRAME_HELLO: return length == 1 ? greet(streams, client, payload[0]) : -1;
    default: return -1;
  }
}

// Reads one client until it has nothing more or its input has to wait; -1: it is gone or sends nonsense.
static int read_client(struct streams *streams, struct client *client) {
  for (int rounds = 0; rounds < 64; rounds++) {
    if (client->input_left > 0) {
      if (is_input_waiting(streams)) return 0;
      size_t room = client->input_left < INPUT_BYTES ? client->input_left : INPUT_BYTES;
      ssize_t n = read(client->fd, streams->in, room);
      if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
      if (n == 0) return -1;
      client->input_left -= (uint32_t)n;
      if (!(client->flags & HELLO_STDIN)) continue;
      streams->in_used = (size_t)n;
      write_input(streams);
      continue;
    }
    size_t want = HEAD_BYTES;
    uint32_t length = 0;
    if (client->head_used >= HEAD_BYTES) {
      length = get_u32(client->head + 4);
      want += length;
    }
    if (client->head_used < want) {
      ssize_t n = read(client->fd, client->head + client->head_used, want - client->head_used);
      if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
      if (n == 0) return -1;
      client->head_used += (size_t)n;
      if (client->head_used < want) continue;
    }
    if (client->head_used == HEAD_BYTES && want == HEAD_BYTES) {
      length = get_u32(client->head + 4);
      if (client->head[0] == FRAME_INPUT) {
        if (length > INPUT_FRAME_MAX_BYTES || !client->has_greeted) return -1;
        client->input_left = length;
        client->head_used = 0;
        continue;
      }
      if (length > sizeof client->head - HEAD_BYTES) return -1;
      if (length > 0) continue;
    }
    client->head_used = 0;
    // An end of input keeps its place behind the input.
    if (act_on_frame(streams, client, client->head[0], client->head + HEAD_BYTES, length) != 0) return -1;
  }
  return 0;
}

// ---- output: from the container to clients ----

int streams_may_read(const struct streams *streams) { return streams->is_final || streams->used == 0; }

char *streams_room(struct streams *streams) {
  size_t need = streams->used + HEAD_BYTES + CHUNK_BYTES;
  if (need > streams->capacity) {
    char *grown = realloc(streams->out, need);
    if (!grown) abort();
    streams->out = grown;
    streams->capacity = need;
  }
  return streams->out + streams->used + HEAD_BYTES;
}

static int has_listeners(const struct streams *streams) {
  for (int i = 0; i < streams->count; i++) if (!streams->clients[i].is_deaf && streams->clients[i].has_greeted) return 1;
  return 0;
}

void streams_put(struct streams *streams, int stream, size_t count) {
  if (!has_listeners(streams) || streams->used > FINAL_MAX_BYTES) return;
  put_head(streams->out + streams->used, stream == STREAM_STDOUT ? FRAME_STDOUT : FRAME_STDERR, count);
  size_t before = streams->used;
  streams->used += HEAD_BYTES + count;
  // Who has not said hello yet sees what comes after it has.
  for (int i = 0; i < streams->count; i++) {
    struct client *client = &streams->clients[i];
    if (client->has_greeted || client->sent != before) continue;
    client->sent = client->frame_end = streams->used;
  }
}

void streams_put_frame(struct streams *streams, int type, const char *bytes, size_t count) {
  char *room = streams_room(streams);
  put_head(room - HEAD_BYTES, type, count);
  memcpy(room, bytes, count);
  streams->used += HEAD_BYTES + count;
}

static int wants(const struct client *client, int type) {
  if (type == FRAME_STDOUT) return (client->flags & HELLO_STDOUT) != 0;
  if (type == FRAME_STDERR) return (client->flags & HELLO_STDERR) != 0;
  return 1;
}

static void send_client(struct streams *streams, struct client *client) {
  while (!client->is_deaf && client->sent < streams->used) {
    if (client->sent == client->frame_end) {
      const unsigned char *head = (const unsigned char *)streams->out + client->sent;
      client->frame_end += HEAD_BYTES + get_u32(head + 4);
      if (!wants(client, head[0])) { client->sent = client->frame_end; continue; }
    }
    ssize_t n = send(client->fd, streams->out + client->sent, client->frame_end - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) { client->is_deaf = 1; break; }
    client->sent += (size_t)n;
  }
  if (client->is_deaf) client->sent = client->frame_end = streams->used;
}

int streams_are_behind(const struct streams *streams) {
  for (int i = 0; i < streams->count; i++) if (!streams->clients[i].is_deaf && streams->clients[i].sent < streams->used) return 1;
  return 0;
}

void streams_send(struct streams *streams) {
  for (int i = 0; i < streams->count; i++) send_client(streams, &streams->clients[i]);
  if (streams->is_final || streams_are_behind(streams)) return;
  streams->used = 0;
  for (int i = 0; i < streams->count; i++) streams->clients[i].sent = streams->clients[i].frame_end = 0;
}

// ---- the loop's side ----

static short events_of(const struct streams *streams, const struct client *client) {
  // Input that has to wait: not even a hang-up is looked at, or poll would return at once for ever.
  short in = client->input_left > 0 && is_input_waiting(streams) ? 0 : POLLIN;
  short out = !client->is_deaf && client->sent < streams->used ? POLLOUT : 0;
  return (short)(in | out);
}

int streams_poll(struct streams *streams, struct pollfd *polled) {
  polled[0] = (struct pollfd){ streams->is_listener_tired ? -1 : streams->listener, POLLIN, 0 };
  polled[1] = (struct pollfd){ is_input_waiting(streams) ? streams->input : -1, POLLOUT, 0 };
  for (int i = 0; i < streams->count; i++) {
    short events = events_of(streams, &streams->clients[i]);
    polled[2 + i] = (struct pollfd){ events ? streams->clients[i].fd : -1, events, 0 };
  }
  return 2 + streams->count;
}

void streams_act(struct streams *streams, const struct pollfd *polled, int count) {
  if (polled[1].revents) write_input(streams);
  for (int i = 0; i < count - 2; i++) {
    struct client *client = &streams->clients[i];
    if (polled[2 + i].revents & POLLOUT) send_client(streams, client);
    if (polled[2 + i].revents & (POLLIN | POLLHUP | POLLERR)) {
      if (!(polled[2 + i].events & POLLIN)) client->is_deaf = 1;      // it hung up while its input waits; that is read when it may go on
      else if (read_client(streams, client) != 0) drop(streams, client);
    }
  }
  if (polled[0].revents) accept_clients(streams);
  forget_dropped(streams);
  streams_send(streams);
}

void streams_stop_listening(struct streams *streams) {
  if (streams->listener >= 0) close(streams->listener);
  streams->listener = -1;
}

void streams_begin_final(struct streams *streams) {
  streams->is_final = 1;
  streams_close_input(streams);
}

void streams_close_clients(struct streams *streams, int only_done) {
  for (int i = 0; i < streams->count; i++) {
    struct client *client = &streams->clients[i];
    if (!only_done || client->is_deaf || client->sent >= streams->used) { client->flags = 0; drop(streams, client); }
  }
  forget_dropped(streams);
}
