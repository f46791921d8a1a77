#include "session/repair.hpp"

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace pgweir::session {

namespace {

/// What says nothing of results: answers to Parse, Bind, Close and Describe, notices, and what a
/// server may say at any time.
constexpr protocol::type_set held_types{"123TtnNSA"};

/// What is about the session, not about the requests.
constexpr protocol::type_set session_types{"SA"};

/// Strings keep this much for the next time.
constexpr std::size_t kept_capacity = 512;

void empty(std::string& text) {
    if (text.capacity() > kept_capacity) {
        text = std::string();
    } else {
        text.clear();
    }
}

}  // namespace

refusal read_refusal(std::string_view error) noexcept {
    refusal found;
    protocol::message_reader reader(error.substr(std::min(error.size(), protocol::header_size)));
    while (const char code = reader.byte()) {
        const std::string_view value = reader.cstring();
        if (code == 'C') {
            found.sqlstate = value;
        } else if (code == 'M') {
            found.message = value;
        } else if (code == 'R') {
            found.routine = value;
        }
    }
    return found;
}

bool may_be_the_standbys(std::string_view sqlstate) noexcept {
    constexpr std::array<std::string_view, 13> classes = {
        "08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "55", "57P", "58", "XX"};
    return std::any_of(classes.begin(), classes.end(), [&](std::string_view one) {
        return sqlstate.starts_with(one);
    });
}

bool is_outdated_plan(const refusal& error) noexcept {
    return error.sqlstate == "0A000" && error.routine == "RevalidateCachedQuery";
}

bool reply_guard::keep(std::string_view requests) {
    if (requests_.size() + requests.size() > request_limit) {
        state_ = state::off;
        return false;
    }
    requests_ += requests;
    return true;
}

/// Of held_, with the bytes behind it.
char reply_guard::at(std::size_t position, std::string_view bytes) const noexcept {
    return position < held_.size() ? held_[position] : bytes[position - held_.size()];
}

/// Of the message that begins there, the header included.
std::size_t reply_guard::length_at(std::size_t position, std::string_view bytes) const noexcept {
    std::size_t length = 0;
    for (std::size_t i = 1; i < protocol::header_size; i++) {
        length = length << 8 | static_cast<unsigned char>(at(position + i, bytes));
    }
    return length + 1;
}

reply_guard::verdict reply_guard::decided() noexcept {
    state_ = state::off;
    return verdict::release;
}

reply_guard::verdict reply_guard::feed(std::string_view bytes) {
    switch (state_) {
        case state::off:
            return verdict::pass;
        case state::watching:
            break;
        case state::refused:
            held_ += bytes;
            return verdict::hold;
        case state::dropping:
            held_ += bytes;
            drop_messages();
            return verdict::hold;
    }
    const std::size_t size = held_.size() + bytes.size();
    while (next_ + protocol::header_size <= size) {
        const char type = at(next_, bytes);
        const std::size_t end = next_ + length_at(next_, bytes);
        if (type == 'E' && size <= reply_limit && end <= reply_limit) {
            if (end > size) {
                break;
            }
            held_ += bytes;
            error_ = next_;
            state_ = state::refused;
            return verdict::refused;
        }
        if (!held_types.contains(type)) {
            return decided();
        }
        next_ = end;
    }
    if (size > reply_limit || next_ > reply_limit) {
        return decided();
    }
    held_ += bytes;
    return verdict::hold;
}

refusal reply_guard::why() const noexcept {
    return read_refusal(std::string_view(held_).substr(error_, length_at(error_, {})));
}

void reply_guard::drop() {
    state_ = state::dropping;
    next_ = 0;
    drop_messages();
}

void reply_guard::abandon() {
    held_.clear();
    next_ = 0;
    state_ = state::dropping;
}

/// Takes apart what is held, and forgets it but for a message that has only begun and is not to be
/// dropped.
void reply_guard::drop_messages() {
    while (next_ + protocol::header_size <= held_.size()) {
        const std::size_t end = next_ + length_at(next_, {});
        if (session_types.contains(held_[next_])) {
            if (end > held_.size()) {
                break;
            }
            told_.append(held_, next_, end - next_);
        }
        next_ = end;
    }
    const std::size_t gone = std::min(next_, held_.size());
    held_.erase(0, gone);
    next_ -= gone;
}

std::string reply_guard::again(std::string& told) {
    told = std::exchange(told_, {});
    std::string requests = std::exchange(requests_, {});
    end();
    return requests;
}

std::string reply_guard::end() {
    state_ = state::off;
    next_ = 0;
    error_ = 0;
    empty(requests_);
    empty(told_);
    return std::exchange(held_, {});
}

}  // namespace pgweir::session
