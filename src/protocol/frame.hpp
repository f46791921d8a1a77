#pragma once

// Where messages start and end in a stream of typed messages (after the startup packet):
// one type byte, then an int32 length that counts itself but not the type.
// PostgreSQL's manual: "Frontend/Backend Protocol", "Message Formats".
//
// The scanner looks at five bytes of each message. A message whose type is in the `whole` set is
// handed out complete; any other only by its header, while its body goes by unread, however large.
// What the scanner cannot hand out yet, the first bytes of a header or of a whole message that ends in
// a later chunk, it keeps in a buffer of its own: these bytes must not be forwarded by the caller with
// the chunk that they came in, but are forwarded as `raw()` when their event is reported.
//
// Reports each byte exactly once: the concatenation of what the caller may forward (see `raw` and
// `passed`) is the stream itself, for every way in which the stream is cut into chunks.
// Allocates only when a message is cut by the end of a chunk. Not thread-safe.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::protocol {

/// Header bytes of a typed message.
inline constexpr std::size_t header_size = 5;

/// A set of message types, as a table.
struct type_set {
    std::array<bool, 256> has{};

    constexpr type_set(std::string_view types) {
        for (char type : types) {
            has[static_cast<unsigned char>(type)] = true;
        }
    }
    constexpr bool contains(char type) const { return has[static_cast<unsigned char>(type)]; }
};

class frame_scanner {
public:
    enum class event : std::uint8_t {
        end,        ///< the chunk is used up
        header,     ///< a message begins whose body will not be looked at
        message,    ///< a whole message
        malformed,  ///< a length below 4, or above the limit: final, no byte is interpreted after it
    };

    /// `whole` must outlive the scanner. A message of that set with a body above `whole_limit` bytes,
    /// and any message with a length field above `length_limit`, is malformed.
    frame_scanner(
        const type_set& whole, std::uint32_t whole_limit, std::uint32_t length_limit
    ) noexcept;

    /// From the next message on, these types are handed out whole. The set must outlive the scanner.
    void set_whole(const type_set& whole) noexcept { whole_ = &whole; }

    /// Hands in the next chunk, which must stay valid until `next` has returned `end` or `malformed`.
    /// REQUIRES: the chunk before it is used up.
    void feed(std::string_view chunk) noexcept;

    /// The next thing in the chunk. The views below are valid until the next call of `next` or `feed`.
    event next();

    /// Type of the message of the last event.
    char type() const noexcept { return type_; }

    /// Its body's length in bytes (the length field minus 4).
    std::uint32_t body_length() const noexcept { return body_length_; }

    /// The whole body. Only after event::message.
    std::string_view body() const noexcept { return body_; }

    /// The bytes of the message that this event covers: the whole message, or the five header bytes.
    std::string_view raw() const noexcept { return raw_; }

    /// False if `raw` lies in the scanner's own buffer because the message was cut by a chunk's end. Such a
    /// message starts before the chunk; what follows it in the chunk begins at `position()`.
    bool raw_in_chunk() const noexcept { return raw_in_chunk_; }

    /// Offset in the chunk just behind `raw()`: for event::message the next message starts there, for
    /// event::header the body does. At event::end: where the bytes begin that the scanner has kept
    /// (the chunk's size if it kept none), so that a caller forwards the chunk up to there.
    std::size_t position() const noexcept { return position_; }

    /// True between messages: nothing kept, and no body still to come.
    bool at_boundary() const noexcept { return body_left_ == 0 && kept_.empty(); }

    /// True while a message that was reported by its header has body bytes still to come. The header
    /// was reported, so the receiver of the forwarded bytes is in the middle of a message.
    bool in_body() const noexcept { return body_left_ != 0; }

    /// Bytes kept of a message that is not reported yet.
    std::size_t kept() const noexcept { return kept_.size(); }

private:
    const type_set* whole_;
    std::uint32_t whole_limit_;
    std::uint32_t length_limit_;
    std::uint32_t body_left_ = 0;
    std::uint32_t body_length_ = 0;
    char type_ = 0;
    bool raw_in_chunk_ = true;
    bool failed_ = false;
    std::size_t position_ = 0;
    std::string_view chunk_;
    std::string_view raw_;
    std::string_view body_;
    std::string kept_;
};

}  // namespace pgweir::protocol
