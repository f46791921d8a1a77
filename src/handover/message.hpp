#pragma once

// What an old process and the new one that takes its place say to each other.
//
//   new: hello                      old: refusal, or welcome, then the sockets it listens on
//   new: ready (could serve)        old: yours (accepts nothing any more; callers wait)
//   new: accepting                  old: done (from now on the old one only finishes)
//                                   old: credentials, then its servers and clients, as they
//                                        become free
//
// Up to `accepting` either of them may go away, and the old one goes on as it was. Whatever is read
// is checked field by field; a message that is not as it should be is no message. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::handover {

/// Of all messages. Processes of different versions refuse each other.
inline constexpr std::uint32_t version = 2;

enum class kind : std::uint8_t {
    hello = 1,
    refusal,
    welcome,
    sockets,
    ready,
    yours,
    accepting,
    done,
    credentials,
    client,
    server,
};

struct message {
    kind what = kind::hello;
    std::string body;
};

/// Version and program come first in every version, so that two that differ can say so.
struct hello {
    std::uint32_t speaks = version;
    std::string program;  ///< its version, for the log
};

struct welcome {
    std::uint32_t speaks = version;
    std::string program;
    std::uint32_t sockets = 0;   ///< how many are to come
    std::string notify_socket;   ///< of the service manager; empty: there is none
    std::string cancel_address;  ///< a directory as in net::target: who is not found is there
    std::uint32_t cancel_port = 0;
};

/// One descriptor that goes over.
struct socket_facts {
    enum class purpose : std::uint8_t {
        clients,  ///< opened by the old process
        passed,   ///< for clients, too, and opened by whoever started the first process
        door,     ///< for the next hand-over
    };
    purpose what = purpose::clients;
    std::string path;  ///< of a Unix socket's file, which is the new process's to remove
};

/// A longer body is none.
inline constexpr std::uint32_t longest_message = 32 * 1024 * 1024;

/// A message carries at most this many descriptors (the kernel's SCM_MAX_FD).
inline constexpr std::size_t most_descriptors = 253;

/// And a process listens on at most this many.
inline constexpr std::uint32_t most_sockets = 4096;

message put(const hello& what);
message put(const welcome& what);
message put_refusal(std::string_view reason);

/// REQUIRES: at most most_descriptors. The descriptors go with the message in the same order.
message put(const std::vector<socket_facts>& what);

/// One that says all by its kind.
message put(kind what);

// Nothing if the body is not as it should be.

std::optional<hello> get_hello(std::string_view body);
std::optional<welcome> get_welcome(std::string_view body);
std::optional<std::string> get_refusal(std::string_view body);
std::optional<std::vector<socket_facts>> get_sockets(std::string_view body);

/// True if the body says nothing.
bool is_plain(const message& m, kind what) noexcept;

}  // namespace pgweir::handover
