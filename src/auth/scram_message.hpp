#pragma once

// The text of SCRAM's messages: attributes `x=value` with commas between them, in a fixed order.
// RFC 5802, section 7. For scram_server and scram_client only.

#include <optional>
#include <string_view>

namespace pgweir::auth::detail {

/// Reads attributes from the front. The first that does not fit makes it fail for good.
class attribute_reader {
public:
    struct attribute {
        char name = 0;
        std::string_view value;
    };

    explicit attribute_reader(std::string_view message) noexcept : rest_(message) {}

    /// The value of the next attribute, which must be this one.
    std::optional<std::string_view> take(char name) noexcept;

    /// The next attribute, whatever it is. Nothing at the end.
    std::optional<attribute> take_any() noexcept;

    /// Reads all that is left: extensions that are not known and may be ignored. False if they are
    /// not attributes.
    bool skip_extensions() noexcept;

    bool at_end() const noexcept { return rest_.empty() && !wants_more_; }

    /// What is not read yet.
    std::string_view rest() const noexcept { return rest_; }

private:
    std::string_view rest_;
    bool wants_more_ = true;  // at the start and behind a comma
    bool failed_ = false;
};

/// True for a nonce: one or more printable ASCII characters other than the comma.
bool is_nonce(std::string_view text) noexcept;

/// A count of iterations within the limits.
std::optional<int> read_iterations(std::string_view text) noexcept;

}  // namespace pgweir::auth::detail
