#pragma once

// The console's end of a client: hands its messages to admin::console and carries out what that
// asks for. While a command is under way, further messages wait.
// Thread: the client's worker. Ends with its client; answers that come later find nobody.

#include "admin/console.hpp"
#include "session/client.hpp"
#include "session/session_host.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace pgweir::server {

class supervisor;
class worker;

class console_session final : public session::console_port {
public:
    console_session(
        worker& home,
        supervisor& boss,
        session::client& owner,
        session::console_access access,
        std::uint64_t cancel_key
    );
    ~console_session() override;

    void on_message(char type, std::string_view body) override;

    void on_cancel() override { life_->canceled = true; }

private:
    void obey(admin::console::action what, std::string& out);
    void show();
    void operate();
    void answered(std::string& out);

    /// What answers from other threads look at to see whether the session is still there.
    struct lifeline {
        std::atomic<bool> alive{true};      // cleared on the worker's thread only
        std::atomic<bool> canceled{false};  // the operation that is under way
    };

    worker& worker_;
    supervisor& supervisor_;
    session::client& client_;
    admin::console console_;
    std::shared_ptr<lifeline> life_ = std::make_shared<lifeline>();
    std::deque<std::pair<char, std::string>> waiting_;
};

}  // namespace pgweir::server
