#pragma once

// Where messages start and end in a stream of typed messages (after the startup packet):
// one type byte, then an int32 length that counts itself but not the type.
// PostgreSQL's manual: "Frontend/Backend Protocol", "Message Formats".
//
// The scanner looks at five bytes of each message. A message whose type is in the `whole` set is
// handed out complete; of some types the beginning of the body is; any other only by its header,
// while its body goes by unread, however large.
// What the scanner cannot hand out yet, the first bytes of a header or of a whole message that ends
// in a later chunk, it keeps in a buffer of its own: these bytes must not be forwarded by the
// caller with the chunk that they came in, but are forwarded as `raw()` when their event is
// reported.
//
// Reports each byte exactly once: the concatenation of what the caller may forward (see `raw` and
// `position`) is the stream itself, for every way in which the stream is cut into chunks.
// Allocates only when a message is cut by the end of a chunk, and gives that memory back when the
// message has been handed out. Not thread-safe. A scanner may be moved only between two chunks.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::protocol {

/// Header bytes of a typed message.
inline constexpr std::size_t header_size = 5;

/// How much of a message is handed out.
enum class extent : std::uint8_t {
    header,  ///< its first five bytes
    head,    ///< the header, and up to head_limit bytes of the body
    whole,
};

/// How much of the body is in the head of a message, unless the body is shorter.
inline constexpr std::uint32_t head_limit = 1024;

/// A set of message types that are handed out whole, and of those whose head is, as a table.
struct type_set {
    std::array<extent, 256> extents{};

    constexpr type_set(std::string_view whole, std::string_view heads = {}) {
        for (char type : whole) {
            extents[static_cast<unsigned char>(type)] = extent::whole;
        }
        for (char type : heads) {
            extents[static_cast<unsigned char>(type)] = extent::head;
        }
    }

    constexpr extent of(char type) const { return extents[static_cast<unsigned char>(type)]; }

    constexpr bool contains(char type) const { return of(type) == extent::whole; }
};

/// Every type there is, whole.
inline constexpr type_set all_types = [] {
    type_set all{""};
    all.extents.fill(extent::whole);
    return all;
}();

class frame_scanner {
public:
    enum class event : std::uint8_t {
        end,        ///< the chunk is used up
        header,     ///< a message begins whose body will not be looked at
        head,       ///< a message begins, of whose body the first bytes are here
        message,    ///< a whole message
        malformed,  ///< a length below 4, or above the limit: final, no byte is interpreted after
                    ///< it
    };

    /// `whole` must outlive the scanner. A message of that set with a body above `whole_limit`
    /// bytes, and any message with a length field above `length_limit`, is malformed.
    frame_scanner(
        const type_set& whole, std::uint32_t whole_limit, std::uint32_t length_limit
    ) noexcept;

    /// From the next message on, these types are handed out whole. The set must outlive the
    /// scanner.
    void set_whole(const type_set& whole) noexcept { whole_ = &whole; }

    /// Begins anew: the chunk under way and what was kept of it are forgotten.
    void reset() noexcept {
        kept_.clear();
        chunk_ = {};
        position_ = 0;
        body_left_ = 0;
        failed_ = false;
        kept_reported_ = false;
        want_whole_ = false;
    }

    /// Hands in the next chunk, which must stay valid until `next` has returned `end` or
    /// `malformed`. REQUIRES: the chunk before it is used up.
    void feed(std::string_view chunk) noexcept;

    /// The next thing in the chunk. The views below are valid until the next call of `next` or
    /// `feed`.
    event next();

    /// Type of the message of the last event.
    char type() const noexcept { return type_; }

    /// Its body's length in bytes (the length field minus 4).
    std::uint32_t body_length() const noexcept { return body_length_; }

    /// The whole body, or the first bytes of it after event::head. Not after event::header.
    std::string_view body() const noexcept { return body_; }

    /// After event::head: hands this message out again, whole, when all of it is here. What was
    /// reported of it must not be forwarded. False if its body is longer than `limit` bytes.
    bool want_whole(std::uint32_t limit);

    /// The bytes of the message that this event covers: the whole message, its head, or the five
    /// header bytes.
    std::string_view raw() const noexcept { return raw_; }

    /// False if `raw` lies in the scanner's own buffer because the message was cut by a chunk's
    /// end. Such a message starts before the chunk; what follows it in the chunk begins at
    /// `position()`.
    bool raw_in_chunk() const noexcept { return raw_in_chunk_; }

    /// Offset in the chunk just behind `raw()`: for event::message the next message starts there,
    /// for event::header the body does, for event::head the rest of the body. At event::end: where
    /// the bytes begin that the scanner has kept (the chunk's size if it kept none), so that a
    /// caller forwards the chunk up to there. At event::malformed: where the bad message begins (0
    /// if it began before the chunk).
    std::size_t position() const noexcept { return position_; }

    /// True between messages: nothing kept, and no body still to come.
    bool at_boundary() const noexcept { return body_left_ == 0 && kept() == 0 && !failed_; }

    /// True while a message that was reported by its header or head has body bytes still to come.
    /// The header was reported, so the receiver of the forwarded bytes is in the middle of a
    /// message.
    bool in_body() const noexcept { return body_left_ != 0; }

    /// Bytes kept of a message that is not reported yet.
    std::size_t kept() const noexcept { return kept_reported_ ? 0 : kept_.size(); }

    /// The same bytes, until the next call of `next`, `feed` or `reset`.
    std::string_view kept_bytes() const noexcept {
        return kept_reported_ ? std::string_view() : std::string_view(kept_);
    }

private:
    /// Reads type and length at `at`. False if the length is out of bounds.
    bool read_header(const char* at) noexcept;

    /// How many bytes of the message, with its header, are handed out.
    std::size_t size_of(extent how_much) const noexcept {
        return header_size +
               (how_much == extent::head && body_length_ > head_limit ? head_limit : body_length_);
    }

    extent wanted() const noexcept { return want_whole_ ? extent::whole : whole_->of(type_); }

    event header_read(std::string_view raw, bool in_chunk) noexcept;
    event body_read(std::string_view raw, bool in_chunk, extent how_much) noexcept;
    event fail(std::size_t message_begin) noexcept;

    // Out of line: what only happens at the edge of a chunk.
    event keep_rest();
    event next_of_kept();
    event finish_kept();
    event stay_at(std::size_t position) noexcept;
    bool take(std::size_t wanted);  // true if kept_ has the wanted size now

    // Fixed after construction.
    const type_set* whole_;
    std::uint32_t whole_limit_;
    std::uint32_t length_limit_;

    std::uint32_t body_left_ = 0;
    std::uint32_t body_length_ = 0;
    char type_ = 0;
    bool raw_in_chunk_ = true;
    bool failed_ = false;
    bool want_whole_ = false;  // the message under way, whatever its type
    bool kept_reported_ =
        false;  // kept_ was handed out by the last event and goes with the next call
    std::size_t position_ = 0;
    std::string_view chunk_;  // ends at position_ once the chunk is used up
    std::string_view raw_;
    std::string_view body_;
    std::string kept_;
};

// `next` is the hottest loop of the program, so that it is inlined into its callers.

inline void frame_scanner::feed(std::string_view chunk) noexcept {
    chunk_ = chunk;
    position_ = 0;
}

inline bool frame_scanner::read_header(const char* at) noexcept {
    const auto byte = [at](int index) {
        return std::uint32_t{static_cast<unsigned char>(at[index])};
    };
    type_ = at[0];
    const std::uint32_t length = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
    body_length_ = length - 4;
    return length >= 4 && length <= length_limit_ &&
           (body_length_ <= whole_limit_ || !whole_->contains(type_));
}

inline frame_scanner::event frame_scanner::header_read(
    std::string_view raw, bool in_chunk
) noexcept {
    raw_ = raw;
    raw_in_chunk_ = in_chunk;
    body_left_ = body_length_;
    return event::header;
}

inline frame_scanner::event frame_scanner::body_read(
    std::string_view raw, bool in_chunk, extent how_much
) noexcept {
    raw_ = raw;
    raw_in_chunk_ = in_chunk;
    body_ = raw.substr(header_size);
    body_left_ = body_length_ - static_cast<std::uint32_t>(body_.size());
    want_whole_ = false;
    return how_much == extent::head ? event::head : event::message;
}

inline frame_scanner::event frame_scanner::next() {
    if (failed_ || !kept_.empty()) {
        return next_of_kept();
    }
    std::size_t left = chunk_.size() - position_;
    if (body_left_ >= left) {
        body_left_ -= static_cast<std::uint32_t>(left);
        position_ = chunk_.size();
        return event::end;
    }
    position_ += body_left_;
    left -= body_left_;
    body_left_ = 0;
    if (left < header_size) {
        return keep_rest();
    }
    const char* begin = chunk_.data() + position_;
    if (!read_header(begin)) {
        return fail(position_);
    }
    const extent how_much = wanted();
    if (how_much == extent::header) {
        position_ += header_size;
        return header_read({begin, header_size}, true);
    }
    const std::size_t size = size_of(how_much);
    if (left < size) {
        return keep_rest();
    }
    position_ += size;
    return body_read({begin, size}, true, how_much);
}

}  // namespace pgweir::protocol
