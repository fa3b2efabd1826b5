// libpng reports errors with longjmp, which Swift cannot survive. Every call that may fail stays
// inside one of the functions below, each of which sets its own jump target and returns 0 on failure.

#ifndef CPNG_SHIM_H
#define CPNG_SHIM_H

#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;  // Borrowed from the caller for the life of the reader.
  size_t count;
  size_t position;
  int ranOut;  // The file ended before libpng had all it asked for.
  char message[256];
} PNGReader;

typedef struct {
  png_structp png;
  png_infop info;
  uint8_t *bytes;  // Owned; grows as the file is written.
  size_t count;
  size_t capacity;
  char message[256];
} PNGWriter;

static inline void png_shim_keep_message(char *destination, size_t capacity, png_const_charp text) {
  strncpy(destination, text ? text : "unknown error", capacity - 1);
  destination[capacity - 1] = 0;
}

static inline void png_shim_ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

// Reading

static inline void png_shim_reader_failed(png_structp png, png_const_charp text) {
  PNGReader *reader = (PNGReader *)png_get_error_ptr(png);
  png_shim_keep_message(reader->message, sizeof reader->message, text);
  png_longjmp(png, 1);
}

static inline void png_shim_read_bytes(png_structp png, png_bytep destination, size_t count) {
  PNGReader *reader = (PNGReader *)png_get_io_ptr(png);
  if (count > reader->count - reader->position) {
    reader->ranOut = 1;
    png_error(png, "the file ends early");
  }
  memcpy(destination, reader->bytes + reader->position, count);
  reader->position += count;
}

static inline void png_reader_destroy(PNGReader *reader) {
  if (!reader) return;
  png_destroy_read_struct(&reader->png, &reader->info, NULL);
  free(reader);
}

/// A reader of `count` bytes that stay valid until it is destroyed, or NULL when memory ran out.
static inline PNGReader *png_reader_create(const uint8_t *bytes, size_t count) {
  PNGReader *reader = (PNGReader *)calloc(1, sizeof(PNGReader));
  if (!reader) return NULL;
  reader->bytes = bytes;
  reader->count = count;
  reader->png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, png_shim_reader_failed, png_shim_ignore_warning);
  if (reader->png) reader->info = png_create_info_struct(reader->png);
  if (!reader->info) {
    png_reader_destroy(reader);
    return NULL;
  }
  return reader;
}

/// Reads all chunks before the pixels. Dimensions are left to the caller to judge, ancillary chunks
/// may not take more than `chunkLimit` bytes each.
static inline int png_reader_read_header(PNGReader *reader, size_t chunkLimit) {
  if (setjmp(png_jmpbuf(reader->png))) return 0;
  png_set_read_fn(reader->png, reader, png_shim_read_bytes);
  png_set_user_limits(reader->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(reader->png, chunkLimit);
  png_read_info(reader->png, reader->info);
  return 1;
}

/// Sets up the conversion of every kind of pixel to 8-bit RGB or RGBA; 16 bits are scaled, not cut.
static inline int png_reader_convert_to_8_bit_color(PNGReader *reader) {
  if (setjmp(png_jmpbuf(reader->png))) return 0;
  png_set_expand(reader->png);
  png_set_scale_16(reader->png);
  png_set_gray_to_rgb(reader->png);
  png_set_interlace_handling(reader->png);
  png_read_update_info(reader->png, reader->info);
  return 1;
}

/// Reads every pixel into `pixels` (rows of `rowBytes` bytes), then the chunks behind them.
static inline int png_reader_read_pixels(PNGReader *reader, uint8_t *pixels, size_t rowBytes) {
  if (setjmp(png_jmpbuf(reader->png))) return 0;
  png_uint_32 height = png_get_image_height(reader->png, reader->info);
  int passes = png_get_interlace_type(reader->png, reader->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
  for (int pass = 0; pass < passes; pass++) {
    for (png_uint_32 row = 0; row < height; row++) {
      png_read_row(reader->png, pixels + (size_t)row * rowBytes, NULL);
    }
  }
  png_read_end(reader->png, reader->info);
  return 1;
}

/// Points `exif` at the TIFF block of the eXIf chunk, owned by the reader; 0 when there is none.
static inline size_t png_reader_exif(PNGReader *reader, const uint8_t **exif) {
  png_bytep block = NULL;
  png_uint_32 count = 0;
  if (setjmp(png_jmpbuf(reader->png))) return 0;
  if (!png_get_eXIf_1(reader->png, reader->info, &count, &block)) return 0;
  *exif = block;
  return count;
}

// Writing

static inline void png_shim_writer_failed(png_structp png, png_const_charp text) {
  PNGWriter *writer = (PNGWriter *)png_get_error_ptr(png);
  png_shim_keep_message(writer->message, sizeof writer->message, text);
  png_longjmp(png, 1);
}

static inline void png_shim_write_bytes(png_structp png, png_bytep source, size_t count) {
  PNGWriter *writer = (PNGWriter *)png_get_io_ptr(png);
  if (count > writer->capacity - writer->count) {
    size_t capacity = 2 * writer->capacity + count + 4096;
    uint8_t *bytes = (uint8_t *)realloc(writer->bytes, capacity);
    if (!bytes) png_error(png, "out of memory");
    writer->bytes = bytes;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->count, source, count);
  writer->count += count;
}

static inline void png_shim_flush(png_structp png) { (void)png; }

static inline void png_writer_destroy(PNGWriter *writer) {
  if (!writer) return;
  png_destroy_write_struct(&writer->png, &writer->info);
  free(writer->bytes);
  free(writer);
}

/// A writer into memory, or NULL when memory ran out.
static inline PNGWriter *png_writer_create(void) {
  PNGWriter *writer = (PNGWriter *)calloc(1, sizeof(PNGWriter));
  if (!writer) return NULL;
  writer->png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, writer, png_shim_writer_failed, png_shim_ignore_warning);
  if (writer->png) writer->info = png_create_info_struct(writer->png);
  if (!writer->info) {
    png_writer_destroy(writer);
    return NULL;
  }
  return writer;
}

/// Adds a text chunk: tEXt (Latin-1), or iTXt (UTF-8) when `international` is not 0. libpng copies the strings.
static inline int png_writer_add_text(PNGWriter *writer, const char *keyword, const char *text, int international) {
  if (setjmp(png_jmpbuf(writer->png))) return 0;
  png_text chunk;
  memset(&chunk, 0, sizeof chunk);
  chunk.compression = international ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE;
  chunk.key = (png_charp)keyword;
  chunk.text = (png_charp)text;
  png_set_text(writer->png, writer->info, &chunk, 1);
  return 1;
}

/// Writes the whole file, 8-bit RGB rows of `3 * width` bytes.
static inline int png_writer_write(PNGWriter *writer, const uint8_t *pixels, uint32_t width, uint32_t height) {
  if (setjmp(png_jmpbuf(writer->png))) return 0;
  png_set_write_fn(writer->png, writer, png_shim_write_bytes, png_shim_flush);
  png_set_IHDR(writer->png, writer->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer->png, writer->info);
  for (uint32_t row = 0; row < height; row++) {
    png_write_row(writer->png, pixels + (size_t)row * width * 3);
  }
  png_write_end(writer->png, writer->info);
  return 1;
}

#endif
