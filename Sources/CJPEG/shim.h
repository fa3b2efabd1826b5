// libjpeg reports errors through a callback that must not return, so a jump out of it is the only way
// back. Every call that may fail stays inside one of the functions below, each of which sets its own
// jump target and returns 0 on failure.

#ifndef CJPEG_SHIM_H
#define CJPEG_SHIM_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// libjpeg's headers need the standard ones above.
#include <jpeglib.h>
#include <jerror.h>

typedef struct {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  int maximumScans;
  int ranOut;  // The file ended before libjpeg had all it asked for.
  char message[JMSG_LENGTH_MAX];
} JPEGReader;

static inline void jpeg_shim_failed(j_common_ptr jpeg) {
  JPEGReader *reader = (JPEGReader *)jpeg->client_data;
  jpeg->err->format_message(jpeg, reader->message);
  longjmp(reader->escape, 1);
}

/// libjpeg goes on with made-up pixels after damage; a picture to learn from had better be refused.
/// Odd but harmless things, such as padding between markers, stay allowed.
static inline void jpeg_shim_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;  // Not a warning but a trace.
  JPEGReader *reader = (JPEGReader *)jpeg->client_data;
  switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
      reader->ranOut = 1;
      jpeg_shim_failed(jpeg);
      break;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      jpeg_shim_failed(jpeg);
      break;
    default:
      break;
  }
}

/// A small progressive file can ask for thousands of passes over a large picture.
static inline void jpeg_shim_count_scans(j_common_ptr jpeg) {
  JPEGReader *reader = (JPEGReader *)jpeg->client_data;
  if (reader->jpeg.input_scan_number > reader->maximumScans) {
    snprintf(reader->message, sizeof reader->message, "more than %d progressive scans", reader->maximumScans);
    longjmp(reader->escape, 1);
  }
}

static inline void jpeg_reader_destroy(JPEGReader *reader) {
  if (!reader) return;
  jpeg_destroy_decompress(&reader->jpeg);
  free(reader);
}

/// A reader of `count` bytes that stay valid until it is destroyed, or NULL when memory ran out.
static inline JPEGReader *jpeg_reader_create(const uint8_t *bytes, size_t count) {
  JPEGReader *reader = (JPEGReader *)calloc(1, sizeof(JPEGReader));
  if (!reader) return NULL;
  reader->jpeg.err = jpeg_std_error(&reader->errors);
  reader->errors.error_exit = jpeg_shim_failed;
  reader->errors.emit_message = jpeg_shim_message;
  reader->jpeg.client_data = reader;
  if (setjmp(reader->escape)) {
    jpeg_reader_destroy(reader);
    return NULL;
  }
  jpeg_create_decompress(&reader->jpeg);
  jpeg_mem_src(&reader->jpeg, bytes, count);
  return reader;
}

/// Reads all markers before the pixels and keeps the APP1 blocks, where EXIF lives.
static inline int jpeg_reader_read_header(JPEGReader *reader) {
  if (setjmp(reader->escape)) return 0;
  jpeg_save_markers(&reader->jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&reader->jpeg, TRUE);
  return 1;
}

/// Starts decoding to grey, RGB or CMYK: the three colour spaces that libjpeg converts to by itself.
static inline int jpeg_reader_start(JPEGReader *reader, J_COLOR_SPACE colorSpace, int maximumScans) {
  if (setjmp(reader->escape)) return 0;
  reader->maximumScans = maximumScans;
  reader->progress.progress_monitor = jpeg_shim_count_scans;
  reader->jpeg.progress = &reader->progress;
  reader->jpeg.out_color_space = colorSpace;
  jpeg_start_decompress(&reader->jpeg);
  return 1;
}

/// Reads every pixel into `pixels` (rows of `rowBytes` bytes), then the markers behind them.
static inline int jpeg_reader_read_pixels(JPEGReader *reader, uint8_t *pixels, size_t rowBytes) {
  if (setjmp(reader->escape)) return 0;
  while (reader->jpeg.output_scanline < reader->jpeg.output_height) {
    JSAMPROW row = pixels + (size_t)reader->jpeg.output_scanline * rowBytes;
    jpeg_read_scanlines(&reader->jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader->jpeg);
  return 1;
}

/// Points `exif` at the TIFF block of the first EXIF marker; 0 when there is none. The reader owns it until the
/// pixels are read.
static inline size_t jpeg_reader_exif(JPEGReader *reader, const uint8_t **exif) {
  static const char signature[6] = {'E', 'x', 'i', 'f', 0, 0};
  for (jpeg_saved_marker_ptr marker = reader->jpeg.marker_list; marker; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1 || marker->data_length < sizeof signature) continue;
    if (memcmp(marker->data, signature, sizeof signature)) continue;
    *exif = marker->data + sizeof signature;
    return marker->data_length - sizeof signature;
  }
  return 0;
}

#endif
