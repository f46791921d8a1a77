// Our log-in at a server that may send anything. The first byte of the input chooses what we know
// (nothing, a password, the keys of SCRAM), the second how the rest is cut; the rest goes through
// the scanner as it does in a server connection. We are logged in only after AuthenticationOk, a
// password goes out only if it was asked for, and the splits do not matter.

#include "pool/server_login.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using outcome = pool::server_login::outcome;
using event = protocol::frame_scanner::event;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

constexpr std::uint32_t message_limit = 64 * 1024;

pool::login_request request(std::uint8_t choice) {
    pool::login_request made;
    made.startup = {{"user", "u"}, {"database", "d"}};
    made.credentials.user = "u";
    if (choice % 3 == 1) {
        made.credentials.password = secret("pw");
    } else if (choice % 3 == 2) {
        made.credentials.keys = auth::derive_scram_keys("pw", "salt", 2);
    }
    return made;
}

class server {
public:
    explicit server(std::uint8_t choice)
        : choice_(choice), login_(request(choice), store_, nullptr) {}

    /// The log-in with these bytes, in pieces of this size; all at once if it is 0.
    outcome run(std::string_view bytes, std::size_t piece) {
        while (state_ == outcome::wait && !bytes.empty()) {
            const std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
            bytes.remove_prefix(part.size());
            feed(part);
        }
        check_end();
        return state_;
    }

    const std::string& why() const { return login_.why(); }

    const std::string& welcome() const { return login_.welcome(); }

private:
    void feed(std::string_view part) {
        scanner_.feed(part);
        while (state_ == outcome::wait) {
            const event next = scanner_.next();
            if (next == event::end) {
                return;
            }
            if (next == event::malformed) {
                state_ = outcome::failed;
                malformed_ = true;
                return;
            }
            require(next == event::message);
            on_message(scanner_.type(), scanner_.body());
        }
    }

    void on_message(char type, std::string_view body) {
        std::string out;
        state_ = login_.on_message(type, body, out);
        if (state_ == outcome::ask) {
            state_ = login_.on_answer(auth::compute(login_.take_question()), out);
        }
        const auto asked = protocol::read_authentication(body);
        require(out.empty() || (type == 'R' && state_ == outcome::wait && out[0] == 'p'));
        require(out.empty() || asked.what != protocol::authentication_request::kind::ok);
        require(out.empty() || choice_ % 3 != 0 || out.find("pw") == std::string::npos);
        if (type == 'R' && asked.what == protocol::authentication_request::kind::ok) {
            authenticated_ = authenticated_ || state_ == outcome::wait;
        }
        require(state_ != outcome::ready || (type == 'Z' && authenticated_));
    }

    void check_end() const {
        require((state_ == outcome::failed) == (malformed_ || !login_.why().empty()));
        require(login_.sqlstate().empty() || state_ == outcome::failed);
        require(state_ != outcome::ready || login_.parameters() != nullptr);
        std::string_view rest = login_.welcome();
        while (!rest.empty()) {
            require(rest[0] == 'S');
            protocol::message_reader reader(rest.substr(1));
            const auto length = static_cast<std::size_t>(reader.int32());
            require(protocol::read_parameter_status(reader.bytes(length - 4)).has_value());
            rest = reader.rest();
        }
    }

    static const protocol::type_set& everything() {
        static const protocol::type_set all = [] {
            protocol::type_set made("");
            made.extents.fill(protocol::extent::whole);
            return made;
        }();
        return all;
    }

    std::uint8_t choice_;
    pool::parameter_store store_{{}};
    pool::server_login login_;
    protocol::frame_scanner scanner_{everything(), message_limit, message_limit};
    outcome state_ = outcome::wait;
    bool malformed_ = false;
    bool authenticated_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string bytes(data + 2, data + size);
    server cut(data[0]);
    server whole(data[0]);
    require(cut.run(bytes, 1U + data[1] % 64) == whole.run(bytes, 0));
    require(cut.why() == whole.why() && cut.welcome() == whole.welcome());
    return 0;
}
