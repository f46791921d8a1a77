// A worker on the way of a query takes no memory: once a client, its server and the loop have run a
// few queries, the next thousand allocate nothing. Counted where all of it comes from, in malloc,
// on the worker's thread alone, with everything real but PostgreSQL: supervisor, worker, pools,
// engine, sockets.

#include "protocol/message.hpp"
#include "protocol/startup.hpp"
#include "protocol/statement_messages.hpp"
#include "server/supervisor.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

// Sanitizers have a malloc of their own, which is not to be taken from them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PGWEIR_COUNTS_ALLOCATIONS 0
#else
#define PGWEIR_COUNTS_ALLOCATIONS 1
#endif

namespace {

std::atomic<long> watched_thread{0};  // 0: nobody is counted
std::atomic<long> allocations{0};

#if PGWEIR_COUNTS_ALLOCATIONS
void count_allocation() noexcept {
    const long watched = watched_thread.load(std::memory_order_relaxed);
    if (watched != 0 && ::syscall(SYS_gettid) == watched) {
        allocations.fetch_add(1, std::memory_order_relaxed);
    }
}
#endif

}  // namespace

#if PGWEIR_COUNTS_ALLOCATIONS
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
    count_allocation();
    return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
    count_allocation();
    return __libc_calloc(count, size);
}

void* realloc(void* old, std::size_t size) noexcept {
    count_allocation();
    return __libc_realloc(old, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    count_allocation();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void** made, std::size_t alignment, std::size_t size) noexcept {
    count_allocation();
    *made = __libc_memalign(alignment, size);
    return *made == nullptr ? ENOMEM : 0;
}
}
#endif

namespace pgweir::server {
namespace {

/// One end of a connection, for blocking calls with a limit.
class wire {
public:
    explicit wire(int socket) : socket_(socket) {
        const timeval limit{30, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }

    ~wire() { ::close(socket_); }

    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    void send(std::string_view bytes) const {
        if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size())) {
            throw std::system_error(errno, std::generic_category(), "send");
        }
    }

    /// Exactly so many bytes.
    std::string receive(std::size_t size) const {
        std::string bytes(size, 0);
        std::size_t received = 0;
        while (received < size) {
            const ssize_t got = ::recv(socket_, bytes.data() + received, size - received, 0);
            if (got == 0 || (got < 0 && errno != EINTR)) {
                throw std::system_error(got == 0 ? EPIPE : errno, std::generic_category());
            }
            received += std::size_t(std::max<ssize_t>(got, 0));
        }
        return bytes;
    }

    /// Up to a ReadyForQuery, the last message of what is sent.
    void receive_until_ready() const {
        while (receive_message() != 'Z') {
        }
    }

    /// A message of a startup's kind: without a type.
    void receive_startup() const { receive(length(receive(4)) - 4); }

private:
    char receive_message() const {
        const std::string header = receive(5);
        receive(length(header.substr(1)) - 4);
        return header[0];
    }

    static std::size_t length(const std::string& bytes) {
        std::size_t value = 0;
        for (const char byte : bytes) {
            value = value << 8 | static_cast<unsigned char>(byte);
        }
        return value;
    }

    int socket_;
};

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

int socket_of(const std::string& path, decltype(::connect)* tie) {
    const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(path);
    if (tie(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::system_error(errno, std::generic_category(), path);
    }
    return made;
}

std::vector<net::engine_kind> usable_engines() {
    std::vector<net::engine_kind> usable{net::engine_kind::epoll};
    if (!net::io_uring_refusal()) {
        usable.push_back(net::engine_kind::io_uring);
    }
    return usable;
}

class SteadyStateTest : public testing::TestWithParam<net::engine_kind> {
protected:
    void SetUp() override {
        if (PGWEIR_COUNTS_ALLOCATIONS == 0) {
            GTEST_SKIP() << "a sanitizer's malloc is not counted";
        }
        std::string name = testing::TempDir() + "pgweir-steady-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        std::ofstream(folder_ / "users.txt") << "\"app\" \"\"\n";
        std::ofstream(folder_ / "pgweir.ini")
            << "[databases]\napp = host=" << folder_.string() << " port=1\n"
            << "[pgweir]\nlisten_port = 2\nunix_socket_dir = " << folder_.string()
            << "\nauth_type = trust\nauth_file = " << (folder_ / "users.txt").string()
            << "\npool_mode = transaction\nworkers = 1\n";
        server_socket_ = socket_of(path_of(1), ::bind);
        ::listen(server_socket_, 1);
        auto settings = load_runtime((folder_ / "pgweir.ini").string());
        ASSERT_TRUE(settings) << settings.error().message;
        boss_ = std::make_unique<supervisor>(*settings, GetParam(), log_);
        ASSERT_TRUE(boss_->listen());
        running_ = std::thread([this] { boss_->run([] {}); });
    }

    void TearDown() override {
        if (running_.joinable()) {
            admin::operation end;
            end.what = admin::operation_kind::shutdown;
            boss_->carry_out(
                end, [](const auto&) {}, [] { return supervisor::waiting_for_it::yes; }
            );
            running_.join();
        }
        boss_.reset();
        ::close(server_socket_);
        std::filesystem::remove_all(folder_);
    }

    std::string path_of(int port) const { return folder_ / (".s.PGSQL." + std::to_string(port)); }

    /// The thread that carries the clients.
    static long worker_thread() {
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
            std::string name;
            std::getline(std::ifstream(task.path() / "comm"), name);
            if (name == "worker-0") {
                return std::stol(task.path().filename());
            }
        }
        return 0;
    }

    /// What a client sends, and what of it the server gets.
    struct exchange_of {
        std::string_view request;
        std::string_view forwarded;
        std::string_view answer;
    };

    /// What a thousand exchanges allocate, after some to get used to.
    long allocations_of(std::string_view request, std::string_view answer) {
        return allocations_of({request, request, answer}, nullptr);
    }

    /// The same, after `first` was exchanged once.
    long allocations_of(const exchange_of& repeated, const exchange_of* first) {
        const wire client(socket_of(path_of(2), ::connect));
        std::string startup;
        protocol::put_startup(startup, {{"user", "app"}, {"database", "app"}});
        client.send(startup);
        const wire server(::accept(server_socket_, nullptr, nullptr));
        server.receive_startup();
        std::string welcome;
        protocol::put_authentication_ok(welcome);
        protocol::put_parameter_status(welcome, "client_encoding", "UTF8");
        protocol::put_backend_key_data(welcome, 1, 2);
        protocol::put_ready_for_query(welcome, protocol::transaction_status::idle);
        server.send(welcome);
        client.receive_until_ready();
        const auto exchange = [&](const exchange_of& one) {
            client.send(one.request);
            EXPECT_EQ(server.receive(one.forwarded.size()), one.forwarded);
            server.send(one.answer);
            EXPECT_EQ(client.receive(one.answer.size()), one.answer);
        };
        if (first != nullptr) {
            exchange(*first);
        }
        for (int i = 0; i < 200; i++) {
            exchange(repeated);
        }
        const long thread = worker_thread();
        EXPECT_NE(thread, 0);
        allocations = 0;
        watched_thread = thread;
        for (int i = 0; i < 1'000; i++) {
            exchange(repeated);
        }
        watched_thread = 0;
        return allocations;
    }

    std::filesystem::path folder_;
    int server_socket_ = -1;
    logging log_{logging::console::off, 0};
    std::unique_ptr<supervisor> boss_;
    std::thread running_;
};

TEST_P(SteadyStateTest, SimpleQueryAllocatesNothing) {
    std::string request;
    protocol::put_query(request, "select abalance from pgbench_accounts where aid = 1");
    std::string answer;
    protocol::put_row_description(answer, {{"abalance", 23}});
    protocol::put_data_row(answer, {"0"});
    protocol::put_command_complete(answer, "SELECT 1");
    protocol::put_ready_for_query(answer, protocol::transaction_status::idle);
    EXPECT_EQ(allocations_of(request, answer), 0);
}

TEST_P(SteadyStateTest, ExtendedQueryAllocatesNothing) {
    std::string request;
    protocol::message_writer(request, 'P').cstring("").cstring("select $1").int16(0);
    protocol::message_writer(request, 'B').cstring("").cstring("").int16(0).int16(0).int16(0);
    protocol::message_writer(request, 'E').cstring("").int32(0);
    protocol::put_sync(request);
    std::string answer;
    protocol::message_writer(answer, '1');
    protocol::message_writer(answer, '2');
    protocol::put_data_row(answer, {"0"});
    protocol::put_command_complete(answer, "SELECT 1");
    protocol::put_ready_for_query(answer, protocol::transaction_status::idle);
    EXPECT_EQ(allocations_of(request, answer), 0);
}

void put_run(std::string& out, std::string_view statement) {
    protocol::message_writer(out, 'B')
        .cstring("")
        .cstring(statement)
        .int16(0)
        .int16(1)
        .int32(2)
        .bytes("42")
        .int16(0);
    protocol::message_writer(out, 'D').byte('P').cstring("");
    protocol::message_writer(out, 'E').cstring("").int32(0);
    protocol::put_sync(out);
}

TEST_P(SteadyStateTest, PreparedStatementAllocatesNothing) {
    std::string definition = "select $1";
    definition += std::string(3, '\0');
    std::string prepare;
    std::string prepared;
    protocol::put_parse(prepare, "name", definition);
    protocol::put_parse(prepared, "PGWEIR_1", definition);
    protocol::put_sync(prepare);
    protocol::put_sync(prepared);
    std::string confirmed;
    protocol::put_parse_complete(confirmed);
    protocol::put_ready_for_query(confirmed, protocol::transaction_status::idle);
    std::string request;
    std::string forwarded;
    put_run(request, "name");
    put_run(forwarded, "PGWEIR_1");
    std::string answer;
    protocol::message_writer(answer, '2');
    protocol::put_row_description(answer, {{"x", 23}});
    protocol::put_data_row(answer, {"42"});
    protocol::put_command_complete(answer, "SELECT 1");
    protocol::put_ready_for_query(answer, protocol::transaction_status::idle);
    const exchange_of first{prepare, prepared, confirmed};
    EXPECT_EQ(allocations_of({request, forwarded, answer}, &first), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Engines,
    SteadyStateTest,
    testing::ValuesIn(usable_engines()),
    [](const auto& one) { return one.param == net::engine_kind::epoll ? "epoll" : "io_uring"; }
);

}  // namespace
}  // namespace pgweir::server
