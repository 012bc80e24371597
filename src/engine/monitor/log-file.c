// Container output as docker's json-file driver records it: {"log":"line\n","stream":"stdout","time":"RFC3339Nano"} and a newline.
// A disk that refuses a write costs records, never the container: they are counted and dropped, and the file keeps whole records only.
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_AT (64 * 1024)
#define RECORD_MAX (LINE_MAX_BYTES * 6 + 128)

void log_open(struct log_file *log, const char *path, uint64_t max_size, int max_files) {
  memset(log, 0, sizeof *log);
  log->path = path;
  log->max_size = max_size;
  log->max_files = max_files < 1 ? 1 : max_files;
  log->fd = -1;
  log->capacity = FLUSH_AT + RECORD_MAX;
  log->buffer = malloc(log->capacity);
  if (!log->buffer) abort();
}

static int ensure_open(struct log_file *log) {
  if (log->fd >= 0) return 1;
  log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log->fd < 0) return 0;
  struct stat st;
  log->size = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
  return 1;
}

static void flush_buffer(struct log_file *log) {
  if (log->used == 0) return;
  size_t done = 0;
  if (ensure_open(log)) {
    while (done < log->used) {
      ssize_t n = write(log->fd, log->buffer + done, log->used - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += (size_t)n;
    }
  }
  if (done == log->used) {
    log->size += done;
  } else {
    // Half a record would garble the next one.
    if (done > 0 && log->fd >= 0 && ftruncate(log->fd, (off_t)log->size) != 0) { close(log->fd); log->fd = -1; }
    log->dropped += log->buffered_records;
  }
  log->used = 0;
  log->buffered_records = 0;
}

// file -> file.1 -> file.2 …; a reader that holds the old file open finds by its inode where it went.
static void rotate(struct log_file *log) {
  flush_buffer(log);
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
  char from[4096], to[4096];
  for (int i = log->max_files - 1; i >= 1; i--) {
    if (i == 1) snprintf(from, sizeof from, "%s", log->path); else snprintf(from, sizeof from, "%s.%d", log->path, i - 1);
    snprintf(to, sizeof to, "%s.%d", log->path, i);
    rename(from, to);
  }
  if (log->max_files == 1) unlink(log->path);
  log->size = 0;
}

// Length of the valid UTF-8 sequence at `s`, 0 if there is none (RFC 3629: no surrogates, no overlong forms).
static size_t utf8_length(const unsigned char *s, size_t left) {
  unsigned char c = s[0];
  if (c < 0x80) return 1;
  size_t n = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
  if (n == 0 || n > left) return 0;
  for (size_t i = 1; i < n; i++) if ((s[i] & 0xc0) != 0x80) return 0;
  if (c == 0xe0 && s[1] < 0xa0) return 0;
  if (c == 0xed && s[1] > 0x9f) return 0;
  if (c == 0xf0 && s[1] < 0x90) return 0;
  if (c == 0xf4 && s[1] > 0x8f) return 0;
  return n;
}

size_t json_escape(char *out, const char *bytes, size_t count) {
  static const char hex[] = "0123456789abcdef";
  const unsigned char *s = (const unsigned char *)bytes;
  char *o = out;
  for (size_t i = 0; i < count;) {
    unsigned char c = s[i];
    if (c == '"' || c == '\\') { *o++ = '\\'; *o++ = (char)c; i++; }
    else if (c == '\n') { *o++ = '\\'; *o++ = 'n'; i++; }
    else if (c == '\r') { *o++ = '\\'; *o++ = 'r'; i++; }
    else if (c == '\t') { *o++ = '\\'; *o++ = 't'; i++; }
    else if (c < 0x20 || c == 0x7f) { memcpy(o, "\\u00", 4); o[4] = hex[c >> 4]; o[5] = hex[c & 15]; o += 6; i++; }
    else {
      size_t n = utf8_length(s + i, count - i);
      if (n == 0) { memcpy(o, "\\ufffd", 6); o += 6; i++; }
      else { memcpy(o, s + i, n); o += n; i += n; }
    }
  }
  return (size_t)(o - out);
}

static void emit(struct log_file *log, int stream, const char *line, size_t length, int ends) {
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  char tail[128];
  int tail_length = snprintf(tail, sizeof tail, "\",\"stream\":\"%s\",\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\"}\n",
    stream == STREAM_STDOUT ? "stdout" : "stderr", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec);

  char *start = log->buffer + log->used, *o = start;
  memcpy(o, "{\"log\":\"", 8); o += 8;
  o += json_escape(o, line, length);
  if (ends) { memcpy(o, "\\n", 2); o += 2; }
  memcpy(o, tail, (size_t)tail_length); o += tail_length;
  size_t record = (size_t)(o - start);

  ensure_open(log);
  if (log->max_size > 0 && log->size + log->used > 0 && log->size + log->used + record > log->max_size) {
    size_t before = log->used;
    rotate(log);
    memmove(log->buffer, log->buffer + before, record);
  }
  log->used += record;
  log->buffered_records++;
  if (log->used >= FLUSH_AT) flush_buffer(log);
}

void log_feed(struct log_file *log, int stream, const char *bytes, size_t count) {
  if (!log->path[0]) return;
  struct log_stream *s = &log->streams[stream];
  while (count > 0) {
    const char *newline = memchr(bytes, '\n', count);
    size_t part = newline ? (size_t)(newline - bytes) : count;
    size_t room = LINE_MAX_BYTES - s->length;
    size_t take = part < room ? part : room;
    memcpy(s->line + s->length, bytes, take);
    s->length += take;
    bytes += take;
    count -= take;
    if (newline && take == part) {
      emit(log, stream, s->line, s->length, 1);
      s->length = 0;
      bytes++;
      count--;
    } else if (s->length == LINE_MAX_BYTES) {
      // Not in the middle of a character: up to 3 bytes wait for the next piece.
      size_t cut = s->length;
      for (size_t back = 1; back <= 3; back++) {
        unsigned char c = (unsigned char)s->line[s->length - back];
        if ((c & 0xc0) == 0x80) continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (need > back) cut = s->length - back;
        break;
      }
      emit(log, stream, s->line, cut, 0);
      memmove(s->line, s->line + cut, s->length - cut);
      s->length -= cut;
    }
  }
  flush_buffer(log);
}

void log_finish(struct log_file *log) {
  if (!log->path[0]) return;
  for (int stream = 0; stream < 2; stream++) {
    struct log_stream *s = &log->streams[stream];
    if (s->length > 0) emit(log, stream, s->line, s->length, 0);
    s->length = 0;
  }
  flush_buffer(log);
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
}
