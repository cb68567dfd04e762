-- What the statements of corpus.toml are about, with secrets planted where a mask should be. The unit tests read the definitions with
-- the analysis itself; a server can be given the whole file. Views name their relations in full, as a server gives them back.

CREATE SCHEMA other;

CREATE TABLE public.customers (id integer PRIMARY KEY, name text, email text UNIQUE, card text, age integer CHECK (age > 0), note text, prefs jsonb, born date);
INSERT INTO public.customers VALUES
  (1, 'Ann', 'SECRETann@leak.example', '4000SECRET001111', 41, 'first', '{"a": 1}', '1984-01-02'),
  (2, 'Bob', 'SECRETbob@leak.example', '4000SECRET002222', 42, 'second', '{"a": 2}', '1983-02-03');

CREATE TABLE public.orders (id integer PRIMARY KEY, customer_id integer, total numeric, note text);
INSERT INTO public.orders VALUES (10, 1, 12.50, 'one'), (11, 2, 99, 'two');

CREATE TABLE public.notes (id integer, body text, email text);
INSERT INTO public.notes VALUES (1, 'plain', 'nobody@plain.example');

CREATE TABLE other.customers (id integer, email text);
INSERT INTO other.customers VALUES (1, 'nobody@other.example');

CREATE TABLE public.people (id integer, born date, ssn text) PARTITION BY RANGE (id);
CREATE TABLE public.people_1 PARTITION OF public.people FOR VALUES FROM (0) TO (100);
CREATE TABLE public.people_2 PARTITION OF public.people FOR VALUES FROM (100) TO (200);
INSERT INTO public.people VALUES (1, '1990-01-01', 'SECRETssn1'), (101, '1991-01-01', 'SECRETssn2');

CREATE TABLE public.staff (id integer, name text);
CREATE TABLE public.managers (bonus text) INHERITS (public.staff);
INSERT INTO public.managers VALUES (1, 'Mia', 'SECRETbonus');

CREATE TABLE public."Odd Names" (id integer, "E-Mail" text);
INSERT INTO public."Odd Names" VALUES (1, 'SECRETodd@leak.example');

CREATE SEQUENCE public.tickets;

CREATE VIEW public.customer_names AS SELECT customers.id, customers.name FROM public.customers;
CREATE VIEW public.customer_mails AS SELECT customers.id, customers.email AS contact FROM public.customers;
CREATE VIEW public.customer_contacts AS SELECT customer_mails.contact AS c, customer_mails.id FROM public.customer_mails;
CREATE VIEW public.customer_upper AS SELECT customers.id, upper(customers.email) AS e FROM public.customers;
CREATE VIEW public.adults AS SELECT customers.id FROM public.customers WHERE (customers.age > 18);
CREATE VIEW public.both_mails AS SELECT customers.email FROM public.customers UNION ALL SELECT notes.email FROM public.notes;
CREATE MATERIALIZED VIEW public.mail_copy AS SELECT customers.id, customers.email FROM public.customers;

CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION public.mail_of(integer) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.customers WHERE id = $1';
CREATE FUNCTION public.all_customers() RETURNS SETOF public.customers LANGUAGE sql AS 'SELECT * FROM public.customers';
CREATE FUNCTION public.initcap(integer) RETURNS text LANGUAGE sql AS 'SELECT public.mail_of($1)';
CREATE PROCEDURE public.tidy() LANGUAGE sql AS 'DELETE FROM public.notes';
