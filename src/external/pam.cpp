#include "external/outside.hpp"

#include <fmt/format.h>

#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

namespace pgweir::external {

namespace {

/// One log-in's talk with the modules: the password for whatever is asked without echo, and nothing
/// for anything else.
struct conversation {
    std::string password;
    std::string said;  // errors, for the log
    bool asked_for_more = false;
};

constexpr std::size_t longest_said = 200;

/// Libraries below PAM (libaudit is one) have buffers that all threads share, so one log-in asks at
/// a time.
std::mutex one_at_a_time;

/// The replies belong to PAM, and are freed as C frees.
bool reply_to(const pam_message& message, pam_response& reply, conversation& talk) {
    switch (message.msg_style) {
        case PAM_PROMPT_ECHO_OFF:
            reply.resp = ::strdup(talk.password.c_str());
            return reply.resp != nullptr;
        case PAM_ERROR_MSG:
            talk.said = std::string(message.msg).substr(0, longest_said);
            return true;
        case PAM_TEXT_INFO:
            return true;
        default:
            talk.asked_for_more = true;
            return false;
    }
}

int converse(int count, const pam_message** messages, pam_response** replies, void* data) {
    if (count <= 0 || count > PAM_MAX_NUM_MSG) {
        return PAM_CONV_ERR;
    }
    auto* made = static_cast<pam_response*>(
        std::calloc(static_cast<std::size_t>(count), sizeof(pam_response))
    );
    if (made == nullptr) {
        return PAM_BUF_ERR;
    }
    for (int i = 0; i < count; i++) {
        if (!reply_to(*messages[i], made[i], *static_cast<conversation*>(data))) {
            for (int j = 0; j < i; j++) {
                if (made[j].resp != nullptr) {
                    ::explicit_bzero(made[j].resp, std::strlen(made[j].resp));
                    std::free(made[j].resp);
                }
            }
            std::free(made);
            return PAM_CONV_ERR;
        }
    }
    *replies = made;
    return PAM_SUCCESS;
}

}  // namespace

auth::slow_answer answer_pam(const auth::ask_pam& what) {
    const std::lock_guard lock(one_at_a_time);
    auth::slow_answer done;
    conversation talk;
    talk.password = what.password.view();
    const pam_conv with{&converse, &talk};
    pam_handle_t* pam = nullptr;
    int error = ::pam_start(what.service.c_str(), what.user.c_str(), &with, &pam);
    if (error == PAM_SUCCESS && !what.host.empty()) {
        error = ::pam_set_item(pam, PAM_RHOST, what.host.c_str());
    }
    if (error == PAM_SUCCESS) {
        error = ::pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    }
    if (error == PAM_SUCCESS) {
        error = ::pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    }
    done.fits = error == PAM_SUCCESS;
    if (!done.fits) {
        done.why = fmt::format(
            "PAM service \"{}\": {}{}{}{}",
            what.service,
            ::pam_strerror(pam, error),
            talk.said.empty() ? "" : ": ",
            talk.said,
            talk.asked_for_more ? " (it asks for more than a password)" : ""
        );
    }
    if (pam != nullptr) {
        ::pam_end(pam, error);
    }
    wipe(talk.password);
    return done;
}

}  // namespace pgweir::external
