# Ruby's pg.
require "pg"

$steps = 0

def same(got, expected, what)
  raise "#{what}: got #{got.inspect}, expected #{expected.inspect}" unless got == expected

  $steps += 1
end

dsn = ARGV[0]
db = PG.connect(dsn)
db.prepare("sum", "select $1::int + $2::int as s")
total = (1..20).sum { |i| db.exec_prepared("sum", [i, 1])[0]["s"].to_i }
same(total, 230, "a statement that is prepared once")
same(db.exec_params("select $1::text as t", ["Größe 🐘"])[0]["t"], "Größe 🐘", "letters of many alphabets")
bytes = (0..255).to_a.pack("C*")
sent = db.exec_params("select $1::bytea as b", [{ value: bytes, format: 1 }], 1)
same(sent[0]["b"], bytes, "bytes, in binary")

db.exec("drop table if exists ruby_t; create table ruby_t (a int primary key)")
db.transaction { |t| 10.times { |i| t.exec_params("insert into ruby_t values ($1)", [i]) } }
begin
  db.transaction do |t|
    t.exec("delete from ruby_t")
    raise "rolled back"
  end
rescue RuntimeError
  same(db.exec("select count(*) from ruby_t").getvalue(0, 0), "10", "a transaction that is rolled back")
end

begin
  db.exec_prepared("sum", ["no number", 1])
rescue PG::InvalidTextRepresentation => error
  same(error.result.error_field(PG::PG_DIAG_SQLSTATE), "22P02", "an error of a prepared statement")
end
same(db.exec_prepared("sum", [20, 22])[0]["s"], "42", "and on it goes")

db.copy_data("copy ruby_t from stdin") { (100..199).each { |i| db.put_copy_data("#{i}\n") } }
rows = []
db.copy_data("copy (select a from ruby_t where a >= 100 order by a) to stdout") do
  while (row = db.get_copy_data)
    rows << row.to_i
  end
end
same(rows, (100..199).to_a, "copy in and out")

db.enter_pipeline_mode
5.times { |i| db.send_query_params("select $1::int", [i.to_s]) }
db.pipeline_sync
got = []
until got.size == 5
  result = db.get_result
  next if result.nil?

  got << result.getvalue(0, 0).to_i
end
same(got, [0, 1, 2, 3, 4], "a pipeline")
loop do
  result = db.get_result
  break if result && result.result_status == PG::PGRES_PIPELINE_SYNC
end
db.exit_pipeline_mode

many = Array.new(20) { PG.connect(dsn) }
many.each { |one| one.prepare("twice", "select $1::int * 2") }
doubled = (1..3).sum { |round| many.sum { |one| one.exec_prepared("twice", [round]).getvalue(0, 0).to_i } }
same(doubled, 240, "many connections with statements of one name")
many.each(&:close)
db.exec("deallocate all")
begin
  db.exec_prepared("sum", [1, 1])
rescue PG::InvalidSqlStatementName
  same(true, true, "a statement that is gone")
end
db.exec("drop table ruby_t")
db.close
puts "ok #{$steps}"
