// What one piece of output looks like in a log file.
//   LOG_JSON   docker's json-file: {"log":"line\n","stream":"stdout","attrs":{…},"time":"RFC3339Nano"} and a newline; the time always has nine digits
//   LOG_LOCAL  0xd7, flags (1 stderr, 2 goes on in the next record), length u32, nanoseconds since 1970 u64, the bytes, length u32; big-endian.
//              The second length lets a reader go backwards.
#include "monitor.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCAL_MARK 0xd7
#define LOCAL_HEAD 14
#define LOCAL_TAIL 4

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

// Eight bytes at once: is any of them below 0x20, above 0x7e, '"' or '\\'? (The usual "has a zero byte" arithmetic.)
static int has_special(uint64_t word) {
  const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
  uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\'), rubout = word ^ (ones * 0x7f);
  return (((word - ones * 0x20) | (quote - ones) | (slash - ones) | (rubout - ones) | word) & tops) != 0;
}

size_t json_escape(char *out, const char *bytes, size_t count) {
  static const char hex[] = "0123456789abcdef";
  const unsigned char *s = (const unsigned char *)bytes;
  char *o = out;
  for (size_t i = 0; i < count;) {
    while (i + 8 <= count) {
      uint64_t word;
      memcpy(&word, s + i, 8);
      if (has_special(word)) break;
      memcpy(o, &word, 8);
      o += 8;
      i += 8;
    }
    if (i >= count) break;
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

static char *append(char *o, const char *text, size_t length) { memcpy(o, text, length); return o + length; }

// The second's text is made once a second: at a million lines a second gmtime and snprintf would be most of the work.
static char *append_time(char *o, const struct timespec *now) {
  static char text[21];
  static time_t second = -1;
  if (now->tv_sec != second) {
    struct tm utc;
    gmtime_r(&now->tv_sec, &utc);
    char made[64];
    snprintf(made, sizeof made, "%04d-%02d-%02dT%02d:%02d:%02d.", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
    memcpy(text, made, 20);
    second = now->tv_sec;
  }
  o = append(o, text, 20);
  long nanoseconds = now->tv_nsec;
  for (int i = 8; i >= 0; i--) { o[i] = (char)('0' + nanoseconds % 10); nanoseconds /= 10; }
  o[9] = 'Z';
  return o + 10;
}

static char *put_u32(char *o, uint32_t value) {
  for (int i = 3; i >= 0; i--) *o++ = (char)(value >> (8 * i));
  return o;
}

static uint32_t get_u32(const unsigned char *s) { return (uint32_t)s[0] << 24 | (uint32_t)s[1] << 16 | (uint32_t)s[2] << 8 | s[3]; }

size_t log_record(const struct log_settings *settings, char *out, int stream, const char *line, size_t length, int ends) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char *o = out;
  if (settings->form == LOG_LOCAL) {
    uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    *o++ = (char)LOCAL_MARK;
    *o++ = (char)((stream == STREAM_STDERR ? 1 : 0) | (ends ? 0 : 2));
    o = put_u32(o, (uint32_t)length);
    o = put_u32(o, (uint32_t)(time >> 32));
    o = put_u32(o, (uint32_t)time);
    o = append(o, line, length);
    o = put_u32(o, (uint32_t)length);
    return (size_t)(o - out);
  }
  o = append(o, "{\"log\":\"", 8);
  o += json_escape(o, line, length);
  if (ends) o = append(o, "\\n", 2);
  o = append(o, "\",\"stream\":\"std", 15);
  o = append(o, stream == STREAM_STDOUT ? "out\"" : "err\"", 4);
  if (settings->attributes[0]) { o = append(o, ",\"attrs\":", 9); o = append(o, settings->attributes, strlen(settings->attributes)); }
  o = append(o, ",\"time\":\"", 9);
  o = append_time(o, &now);
  o = append(o, "\"}\n", 3);
  return (size_t)(o - out);
}

// Only a host that lost power leaves a torn record; then the file is walked through once.
uint64_t log_local_whole_length(int fd, uint64_t size) {
  unsigned char head[LOCAL_HEAD], tail[LOCAL_TAIL];
  if (size >= LOCAL_HEAD + LOCAL_TAIL && pread(fd, tail, sizeof tail, (off_t)(size - LOCAL_TAIL)) == LOCAL_TAIL) {
    uint64_t whole = (uint64_t)get_u32(tail) + LOCAL_HEAD + LOCAL_TAIL;
    if (whole <= size && pread(fd, head, sizeof head, (off_t)(size - whole)) == LOCAL_HEAD && head[0] == LOCAL_MARK && get_u32(head + 2) == get_u32(tail)) return size;
  }
  uint64_t at = 0;
  while (at + LOCAL_HEAD + LOCAL_TAIL <= size) {
    if (pread(fd, head, sizeof head, (off_t)at) != LOCAL_HEAD || head[0] != LOCAL_MARK) break;
    uint64_t next = at + LOCAL_HEAD + get_u32(head + 2) + LOCAL_TAIL;
    if (next > size) break;
    at = next;
  }
  return at;
}
