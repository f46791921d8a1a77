// Which unnamed statements may be kept. What is kept has nothing that settings would read, and no
// parameter whose type is open; what stands behind a definition's text changes nothing else, and
// white space before it changes nothing at all.

#include "pool/kept_text.hpp"
#include "pool/statement_store.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir::pool;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string definition(data, data + size);
    const bool kept = may_be_kept(definition);
    const std::size_t end = definition.find('\0');
    require(!kept || end != definition.npos);
    if (end == definition.npos) {
        return 0;
    }
    const std::string_view text = std::string_view(definition).substr(0, end);
    require(!kept || !depends_on_settings(text));
    require(may_be_kept(" \n\t" + definition) == kept);
    const bool without_types = may_be_kept(std::string(text) + std::string(3, '\0'));
    require(kept || !without_types);
    require(text.find('$') != text.npos || without_types == kept);
    require(!may_be_kept(std::string(text) + "'" + definition.substr(end)));
    return 0;
}
