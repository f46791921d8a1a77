# DBD::Pg: prepares by name from the second execution on.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:pg_types);

my ($dsn, $user, $password) = @ARGV;
my $steps = 0;

sub same {
    my ($got, $expected, $what) = @_;
    die "$what: got " . (defined $got ? $got : 'NULL') . ", expected $expected\n" unless defined $got && $got eq $expected;
    $steps++;
}

sub connection {
    return DBI->connect("dbi:Pg:$dsn", $user, $password, {RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 1});
}

my $db = connection();
my $sum = $db->prepare('select ?::int + ?::int');
my $total = 0;
for my $i (1 .. 20) {
    $sum->execute($i, 1);
    $total += ($sum->fetchrow_array)[0];
}
same($total, 230, 'a statement that is prepared once');

$db->do('create temporary table kept (a int)') if 0;
$db->do('drop table if exists perl_t');
$db->do('create table perl_t (a int primary key, b text, c bytea)');
my $insert = $db->prepare('insert into perl_t values (?, ?, ?)');
$db->begin_work;
for my $i (1 .. 10) {
    $insert->bind_param(1, $i);
    $insert->bind_param(2, "Größe $i \x{1F418}");
    $insert->bind_param(3, join('', map { chr } 0 .. 255), {pg_type => PG_BYTEA});
    $insert->execute;
}
$db->commit;
same($db->selectrow_array('select b from perl_t where a = 7'), "Größe 7 \x{1F418}", 'letters of many alphabets');
same($db->selectrow_array('select length(c) from perl_t where a = 7'), 256, 'bytes');

$db->begin_work;
$db->do('delete from perl_t');
$db->rollback;
same($db->selectrow_array('select count(*) from perl_t'), 10, 'a transaction that is rolled back');

eval { $db->do('select 1 / 0') };
same($db->state, '22012', 'an error');
$sum->execute(20, 22);
same(($sum->fetchrow_array)[0], 42, 'and on it goes');
eval { $insert->execute(1, 'again', undef) };
same($db->state, '23505', 'an error of a prepared statement');

$db->do('copy perl_t (a, b) from stdin');
$db->pg_putcopydata("$_\tcopied\n") for 100 .. 199;
$db->pg_putcopyend();
same($db->selectrow_array("select count(*) from perl_t where b = 'copied'"), 100, 'copy in');

my @many = map { connection() } 1 .. 20;
my @prepared = map { $_->prepare('select ?::int * 2') } @many;
my $doubled = 0;
for my $round (1 .. 3) {
    for my $one (@prepared) {
        $one->execute($round);
        $doubled += ($one->fetchrow_array)[0];
    }
}
same($doubled, 240, 'many connections');
$_->disconnect for @many;
$sum->finish;
$insert->finish;
$db->do('drop table perl_t');
$db->disconnect;
print "ok $steps\n";
