// Two sessions that talk to each other through memory, in pieces of any size.

#include "net/tls_session.hpp"

#include "support/certificates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::net {
namespace {

using step = tls_session::step;
using begin = tls_session::begin;
using test::serving;
using test::tls_names;

/// A session with what it has said and heard.
struct side {
    explicit side(std::shared_ptr<tls_session> made) : session(std::move(made)) {}

    /// Takes what has come, through buffers of these sizes.
    step take(std::string_view in, std::size_t plain_size = 30'000, std::size_t out_size = 40'000) {
        for (;;) {
            tls_buffer plain{memory.data(), plain_size};
            tls_buffer out{memory.data() + plain_size, out_size};
            last = session->read(in, plain, out);
            heard += plain.view();
            sent += out.view();
            if (last != step::again) {
                return last;
            }
        }
    }

    void say(std::string_view bytes) {
        while (!bytes.empty()) {
            tls_buffer out{memory.data(), memory.size()};
            ASSERT_TRUE(session->write(bytes, out));
            sent += out.view();
        }
    }

    void end() {
        tls_buffer out{memory.data(), memory.size()};
        session->shut_down(out);
        sent += out.view();
    }

    std::string take_sent() { return std::exchange(sent, {}); }

    std::shared_ptr<tls_session> session;
    std::array<char, 70'000> memory{};
    std::string heard;
    std::string sent;
    step last = step::wants_input;
};

class TlsSessionTest : public testing::Test {
protected:
    tls_context_ptr clients(tls_settings from) {
        return *tls_context::for_clients(from, tls_names);
    }

    tls_context_ptr servers(tls_settings from = {}) {
        return *tls_context::for_servers(from, tls_names);
    }

    void open(
        const tls_context_ptr& ours, const tls_context_ptr& theirs, begin how = begin::asked
    ) {
        us = std::make_unique<side>(tls_session::accept(ours, how));
        them = std::make_unique<side>(tls_session::connect(theirs, "localhost", 1));
    }

    void open() { open(clients(serving(files)), servers()); }

    /// Lets them talk, in pieces of this size, until both are silent or one of them has failed.
    void talk(std::size_t piece = 100'000) {
        them->take({});
        while (!us->sent.empty() || !them->sent.empty()) {
            pass(*them, *us, piece);
            pass(*us, *them, piece);
        }
    }

    static void pass(side& from, side& to, std::size_t piece) {
        const std::string bytes = from.take_sent();
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            to.take(std::string_view(bytes).substr(at, piece));
        }
    }

    test::authority signer;
    test::certificate_files files = signer.issue("localhost", "DNS:localhost");
    std::unique_ptr<side> us;
    std::unique_ptr<side> them;
};

TEST_F(TlsSessionTest, BytesGoBothWaysInPiecesOfAllSizes) {
    const std::string bytes(50'000, 'x');
    for (const std::size_t piece : {1U, 2U, 5U, 7U, 1000U, 16'384U, 100'000U}) {
        open();
        talk(piece);
        ASSERT_TRUE(us->session->established() && them->session->established()) << piece;
        us->say(bytes);
        them->say("a question");
        talk(piece);
        EXPECT_TRUE(them->heard == bytes) << piece;
        EXPECT_EQ(us->heard, "a question");
    }
}

TEST_F(TlsSessionTest, SmallBuffersAreFilledAgainAndAgain) {
    open();
    them->take({}, 10, 10);
    while (!us->sent.empty() || !them->sent.empty()) {
        us->take(them->take_sent(), 10, 10);
        them->take(us->take_sent(), 10, 10);
    }
    ASSERT_TRUE(us->session->established());
    us->say(std::string(1000, 'x'));
    them->take(us->take_sent(), 10, 10);
    EXPECT_EQ(them->heard, std::string(1000, 'x'));
}

/// The longest one, with what encryption adds to it.
std::size_t longest_record(std::string_view records) {
    constexpr std::size_t header = 5;
    std::size_t longest = 0;
    while (records.size() >= header) {
        const std::size_t size = std::size_t{static_cast<std::uint8_t>(records[3])} << 8 |
                                 static_cast<std::uint8_t>(records[4]);
        longest = std::max(longest, size);
        records.remove_prefix(std::min(records.size(), header + size));
    }
    return longest;
}

TEST_F(TlsSessionTest, RecordsForClientsAreNoLongerThanPostgresqls) {
    open();
    talk();
    const std::string bytes(50'000, 'x');
    us->say(bytes);
    constexpr std::size_t added_by_encryption = 256;
    EXPECT_LE(longest_record(us->sent), 8192 + added_by_encryption);
    EXPECT_GE(longest_record(us->sent), 8192U);
    talk();
    EXPECT_TRUE(them->heard == bytes);
}

TEST_F(TlsSessionTest, EachVersionIsDescribed) {
    for (const auto& [protocols, begins] :
         {std::pair("tlsv1.2", "TLSv1.2/ECDHE-ECDSA-"), std::pair("tlsv1.3", "TLSv1.3/TLS_")}) {
        tls_settings from = serving(files);
        from.protocols = protocols;
        open(clients(from), servers());
        EXPECT_EQ(us->session->description(), "");
        talk();
        EXPECT_TRUE(us->session->description().starts_with(begins));
        EXPECT_EQ(us->session->description(), them->session->description());
    }
}

TEST_F(TlsSessionTest, GoodbyeIsHeardBehindTheBytes) {
    open();
    talk();
    us->say("last words");
    us->end();
    EXPECT_EQ(them->take(us->take_sent()), step::closed);
    EXPECT_EQ(them->heard, "last words");
}

TEST_F(TlsSessionTest, GarbageFailsForGoodAndSaysWhy) {
    open();
    EXPECT_EQ(us->take("GET / HTTP/1.1\r\n\r\n"), step::failed);
    EXPECT_NE(us->session->error().message(), "");
    EXPECT_EQ(us->session->error().category(), tls_category());
    EXPECT_EQ(us->take("more"), step::failed);
}

TEST_F(TlsSessionTest, RecordsThatWereChangedFail) {
    open();
    talk();
    us->say("a secret");
    std::string record = us->take_sent();
    record.back() ^= 1;
    EXPECT_EQ(them->take(record), step::failed);
    EXPECT_EQ(them->heard, "");
    std::string_view bytes = "more";
    tls_buffer out{them->memory.data(), them->memory.size()};
    EXPECT_FALSE(them->session->write(bytes, out));
}

TEST_F(TlsSessionTest, TheServersNameAndSignerAreChecked) {
    test::authority stranger;
    const auto other = signer.issue("elsewhere", "DNS:elsewhere,IP:127.0.0.1");

    struct expectation {
        test::certificate_files shown;
        std::string believed;
        tls_check check;
        bool good;
    };

    const expectation all[] = {
        {files, signer.file(), tls_check::chain_and_name, true},
        {files, stranger.file(), tls_check::chain, false},
        {files, stranger.file(), tls_check::none, true},
        {other, signer.file(), tls_check::chain, true},
        {other, signer.file(), tls_check::chain_and_name, false},
    };
    for (const expectation& is : all) {
        tls_settings from;
        from.ca_file = is.believed;
        from.check = is.check;
        open(clients(serving(is.shown)), servers(from));
        talk();
        EXPECT_EQ(them->session->established(), is.good);
        EXPECT_EQ(them->last == step::failed, !is.good);
        if (!is.good) {
            EXPECT_NE(
                them->session->error().message().find("certificate is refused"), std::string::npos
            );
            EXPECT_NE(us->last, step::wants_input) << "it is told";
        }
    }
}

TEST_F(TlsSessionTest, AddressesAreNamesToo) {
    tls_settings from;
    from.ca_file = signer.file();
    from.check = tls_check::chain_and_name;
    const auto shown = clients(serving(signer.issue("somewhere", "IP:127.0.0.1")));
    for (const auto& [host, good] : {std::pair("127.0.0.1", true), std::pair("127.0.0.2", false)}) {
        us = std::make_unique<side>(tls_session::accept(shown, begin::asked));
        them = std::make_unique<side>(tls_session::connect(servers(from), host, 1));
        talk();
        EXPECT_EQ(them->session->established(), good) << host;
    }
}

TEST_F(TlsSessionTest, CertificatesOfClientsAreCheckedAndTellTheirNames) {
    test::authority stranger;
    tls_settings ours = serving(files);
    ours.ca_file = signer.file();
    ours.check = tls_check::chain;
    const auto context = clients(ours);
    open(context, servers(serving(signer.issue("amelie", "DNS:also"))));
    talk();
    ASSERT_TRUE(us->session->established());
    EXPECT_TRUE(us->session->certified());
    const tls_identity is = us->session->peer();
    EXPECT_EQ(is.common_name, "amelie");
    EXPECT_EQ(is.names, std::vector<std::string>{"also"});
    EXPECT_EQ(is.distinguished_name, "CN=amelie");
    open(context, servers());
    talk();
    EXPECT_EQ(us->last, step::failed) << "none at all";
    open(context, servers(serving(stranger.issue("amelie"))));
    talk();
    EXPECT_EQ(us->last, step::failed) << "of a stranger";
}

TEST_F(TlsSessionTest, ACertificateThatIsNotCheckedNamesNobody) {
    open(clients(serving(files)), servers(serving(signer.issue("amelie"))));
    talk();
    EXPECT_FALSE(us->session->certified());
    EXPECT_TRUE(us->session->peer().common_name.empty());
}

TEST_F(TlsSessionTest, NamesWithAZeroByteAreNone) {
    tls_settings ours = serving(files);
    ours.ca_file = signer.file();
    ours.check = tls_check::if_presented;
    using namespace std::string_literals;
    open(clients(ours), servers(serving(signer.issue("amelie\0.example"s))));
    talk();
    EXPECT_TRUE(us->session->certified());
    EXPECT_EQ(us->session->peer().common_name, "");
}

TEST_F(TlsSessionTest, BothSidesAreBoundToTheSameEndPoint) {
    open();
    talk();
    EXPECT_EQ(us->session->end_point().size(), 32U);
    EXPECT_EQ(us->session->end_point(), them->session->end_point());
}

TEST_F(TlsSessionTest, SessionsToServersAreResumed) {
    for (const char* protocols : {"tlsv1.2", "tlsv1.3"}) {
        tls_settings from = serving(files);
        from.protocols = protocols;
        const auto ours = clients(from);
        const auto theirs = servers();
        open(ours, theirs);
        talk();
        EXPECT_FALSE(them->session->resumed());
        them->end();
        open(ours, theirs);
        talk();
        EXPECT_TRUE(them->session->resumed() && us->session->resumed()) << protocols;
        us->say("as before");
        talk();
        EXPECT_EQ(them->heard, "as before");
        them->end();
        // Another context has other keys.
        open(clients(from), theirs);
        talk();
        EXPECT_FALSE(them->session->resumed());
        EXPECT_TRUE(them->session->established());
    }
}

TEST_F(TlsSessionTest, WhoBeginsDirectlyMustMeanPostgresql) {
    open(clients(serving(files)), servers(), begin::direct);
    talk();
    EXPECT_TRUE(us->session->established());
    EXPECT_NE(us->last, step::failed);
    const auto nameless = servers();
    SSL_CTX_set_alpn_protos(nameless->get(), nullptr, 0);
    open(clients(serving(files)), nameless, begin::direct);
    talk();
    EXPECT_EQ(us->last, step::failed);
    open(clients(serving(files)), nameless, begin::asked);
    talk();
    EXPECT_TRUE(us->session->established()) << "nor need those who have asked";
}

/// The session of the other side, which OpenSSL shows to its callback only.
SSL* theirs_ = nullptr;

TEST_F(TlsSessionTest, NothingIsNegotiatedAgain) {
    tls_settings from = serving(files);
    from.protocols = "tlsv1.2";
    const auto theirs = servers();
    SSL_CTX_set_info_callback(theirs->get(), [](const SSL* ssl, int, int) {
        theirs_ = const_cast<SSL*>(ssl);
    });
    open(clients(from), theirs);
    talk();
    SSL_clear_options(theirs_, SSL_OP_NO_RENEGOTIATION);
    ASSERT_EQ(SSL_renegotiate(theirs_), 1);
    them->take({});
    EXPECT_EQ(us->take(them->take_sent()), step::wants_input);
    EXPECT_EQ(them->take(us->take_sent()), step::failed);
    EXPECT_NE(them->session->error().message().find("no renegotiation"), std::string::npos);
    us->say("unmoved");
}

}  // namespace
}  // namespace pgweir::net
