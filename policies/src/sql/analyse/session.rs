//! Statements about the session: settings, transactions, prepared statements, cursors, channels. What would make the bastion and the
//! server read the same text differently is refused to everybody.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AConst, ClosePortalStmt, DeallocateStmt, DeclareCursorStmt, DefElem, DiscardMode, ExecuteStmt, FetchStmt, Node, PrepareStmt,
    TransactionStmt, TransactionStmtKind, TypeCast, VariableSetKind, VariableSetStmt, a_const,
};

use super::super::refused::Refused;
use super::super::script::{Answer, Effect, On, Operation, Statement};
use super::scope::Scope;
use super::statement::Read;
use super::{Analyst, For, Ruled, string};
use crate::Action;

/// Settings that change how results look or how long things may take, and nothing of what is told. Masked sessions set no other.
const HARMLESS: &[&str] = &[
    "all",
    "application_name",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "constraint_exclusion",
    "cursor_tuple_fraction",
    "datestyle",
    "default_text_search_config",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "extra_float_digits",
    "from_collapse_limit",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "random_page_cost",
    "restrict_nonsystem_relation_kind",
    "search_path",
    "seq_page_cost",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "timezone",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

impl Analyst<'_> {
    /// `None`: it is of another kind.
    pub(super) fn session_statement(&mut self, node: &NodeEnum) -> Ruled<Option<Read>> {
        Ok(Some(match node {
            NodeEnum::VariableSetStmt(set) => {
                self.set_statement(set)?;
                ("set", Answer::Nothing)
            }
            NodeEnum::TransactionStmt(transaction) => {
                self.transaction(transaction)?;
                (self.transaction_kind(transaction.kind), Answer::Nothing)
            }
            NodeEnum::PrepareStmt(prepare) => self.prepare(prepare)?,
            NodeEnum::ExecuteStmt(execute) => self.execute(execute)?,
            NodeEnum::DeallocateStmt(DeallocateStmt { name, isall, location: _ }) => {
                self.effects.push(Effect::Deallocate((!isall).then(|| name.as_str().into())));
                ("deallocate", Answer::Nothing)
            }
            NodeEnum::DeclareCursorStmt(declare) => self.declare(declare)?,
            NodeEnum::FetchStmt(fetch) => self.fetch(fetch)?,
            NodeEnum::ClosePortalStmt(ClosePortalStmt { portalname }) => {
                self.effects.push(Effect::Close((!portalname.is_empty()).then(|| portalname.as_str().into())));
                ("close", Answer::Nothing)
            }
            NodeEnum::DiscardStmt(discard) => {
                self.discard(discard.target);
                ("discard", Answer::Nothing)
            }
            NodeEnum::ConstraintsSetStmt(_) => ("set constraints", Answer::Nothing),
            NodeEnum::ListenStmt(_) => self.channel("listen"),
            NodeEnum::UnlistenStmt(_) => self.channel("unlisten"),
            NodeEnum::NotifyStmt(_) => self.channel("notify"),
            _ => return Ok(None),
        }))
    }

    fn channel(&mut self, kind: &'static str) -> Read {
        self.ask(Action::PgSet, On::Database);
        (kind, Answer::Nothing)
    }

    fn ask_setting(&mut self, name: &str) {
        self.ask_operation(Operation { action: Action::PgSet, on: On::Database, setting: Some(name.into()) });
    }

    fn set_statement(&mut self, set: &VariableSetStmt) -> Ruled<()> {
        let VariableSetStmt { kind, name, args, jumble_args: _, is_local, location } = set;
        match VariableSetKind::try_from(*kind) {
            Ok(VariableSetKind::VarSetValue) => {
                let values = args.iter().map(value).collect::<Option<Vec<String>>>();
                let unreadable = || self.refused(Refused::unsupported("the bastion cannot read this value"), *location);
                let values = values.ok_or_else(unreadable)?;
                self.set(name, Some(values), *is_local, *location)
            }
            Ok(VariableSetKind::VarSetDefault | VariableSetKind::VarReset) => self.set(name, None, *is_local, *location),
            Ok(VariableSetKind::VarSetCurrent) => {
                self.ask_setting(&name.to_ascii_lowercase());
                Ok(())
            }
            Ok(VariableSetKind::VarSetMulti) => self.set_transaction(name, args, *location),
            Ok(VariableSetKind::VarResetAll) => {
                self.ask_setting("all");
                self.effects.push(Effect::SearchPath { path: None, local: false });
                Ok(())
            }
            Ok(VariableSetKind::Undefined) | Err(_) => Err(Refused::unsupported("the bastion cannot read this SET")),
        }
    }

    /// SET, RESET (no values) or `set_config`.
    pub(super) fn set(&mut self, name: &str, values: Option<Vec<String>>, local: bool, location: i32) -> Ruled<()> {
        let name = name.to_ascii_lowercase();
        let only = values.as_deref().and_then(|values| values.first()).map(|value| value.to_ascii_lowercase());
        let refuse = |message: &str| Err(self.refused(Refused::unsupported(message), location));
        match (name.as_str(), only.as_deref()) {
            ("client_encoding", Some(encoding)) if !super::copy::is_utf8(encoding) => {
                return refuse("client_encoding is UTF8 through the bastion, and nothing else");
            }
            ("standard_conforming_strings", Some(value)) if !matches!(value, "on" | "true" | "yes" | "1") => {
                return refuse("standard_conforming_strings is on through the bastion: text would be read in two ways");
            }
            ("session_authorization", _) => {
                return refuse("the session's user is the bastion's business: SET SESSION AUTHORIZATION is not let through");
            }
            ("client_min_messages", Some(value)) if !matches!(value, "notice" | "warning" | "error") => {
                self.blind("client_min_messages below notice", location);
            }
            ("client_min_messages", _) => {}
            (name, _) if !HARMLESS.contains(&name) => self.blind("this setting, which may tell what is masked", location),
            _ => {}
        }
        self.ask_setting(&name);
        match name.as_str() {
            "search_path" => {
                let path = values.map(|values| values.into_iter().map(Into::into).collect());
                self.effects.push(Effect::SearchPath { path, local });
            }
            "role" => {
                let role = values.and_then(|values| values.into_iter().next()).filter(|role| role != "none");
                self.effects.push(Effect::Role { role: role.map(Into::into), local });
            }
            _ => {}
        }
        Ok(())
    }

    fn set_transaction(&mut self, name: &str, args: &[Node], location: i32) -> Ruled<()> {
        let prefix = match name {
            "TRANSACTION" => "",
            "SESSION CHARACTERISTICS" => "default_",
            _ => return Err(self.refused(Refused::unsupported(format!("SET {name} is not let through")), location)),
        };
        args.iter().for_each(|arg| {
            if let Some((option, _)) = option(arg) {
                self.ask_setting(&format!("{prefix}{option}"));
            }
        });
        Ok(())
    }

    fn transaction(&mut self, transaction: &TransactionStmt) -> Ruled<()> {
        let TransactionStmt { kind, options, savepoint_name, gid: _, chain, location: _ } = transaction;
        // A block that says READ WRITE undoes a session that is read only.
        let writes = options.iter().filter_map(option).any(|(name, value)| name == "transaction_read_only" && value == Some(0));
        if writes {
            self.ask_setting("transaction_read_only");
        }
        let (savepoint, chain): (Arc<str>, _) = (savepoint_name.as_str().into(), *chain);
        let effect = match TransactionStmtKind::try_from(*kind) {
            Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => Effect::Begin,
            Ok(TransactionStmtKind::TransStmtCommit) => Effect::Commit { chain },
            Ok(TransactionStmtKind::TransStmtRollback) => Effect::Rollback { chain },
            Ok(TransactionStmtKind::TransStmtSavepoint) => Effect::Savepoint(savepoint),
            Ok(TransactionStmtKind::TransStmtRelease) => Effect::Release(savepoint),
            Ok(TransactionStmtKind::TransStmtRollbackTo) => Effect::RollbackTo(savepoint),
            Ok(TransactionStmtKind::TransStmtPrepare) => {
                self.ask(Action::PgMaintain, On::Database);
                Effect::Commit { chain: false }
            }
            Ok(TransactionStmtKind::TransStmtCommitPrepared | TransactionStmtKind::TransStmtRollbackPrepared) => {
                self.ask(Action::PgMaintain, On::Database);
                Effect::CatalogChanged
            }
            Ok(TransactionStmtKind::Undefined) | Err(_) => return Err(Refused::unsupported("the bastion cannot read this statement")),
        };
        self.effects.push(effect);
        Ok(())
    }

    fn transaction_kind(&self, kind: i32) -> &'static str {
        match TransactionStmtKind::try_from(kind) {
            Ok(TransactionStmtKind::TransStmtCommit) => "commit",
            Ok(TransactionStmtKind::TransStmtRollback) => "rollback",
            Ok(TransactionStmtKind::TransStmtSavepoint) => "savepoint",
            Ok(TransactionStmtKind::TransStmtRelease) => "release",
            Ok(TransactionStmtKind::TransStmtRollbackTo) => "rollback to savepoint",
            Ok(TransactionStmtKind::TransStmtPrepare) => "prepare transaction",
            Ok(TransactionStmtKind::TransStmtCommitPrepared) => "commit prepared",
            Ok(TransactionStmtKind::TransStmtRollbackPrepared) => "rollback prepared",
            _ => "begin",
        }
    }

    fn prepare(&mut self, prepare: &PrepareStmt) -> Ruled<Read> {
        let PrepareStmt { name, argtypes, query } = prepare;
        for argument in argtypes {
            match &argument.node {
                Some(NodeEnum::TypeName(type_name)) => self.cast(Some(type_name))?,
                _ => return Err(Refused::unsupported("the bastion cannot read this PREPARE")),
            }
        }
        let statement = self.within(query.as_deref())?;
        let kind = statement.kind;
        self.effects.push(Effect::Prepare(name.as_str().into(), Arc::new(statement)));
        Ok((kind, Answer::Nothing))
    }

    fn execute(&mut self, execute: &ExecuteStmt) -> Ruled<Read> {
        let ExecuteStmt { name, params } = execute;
        self.by_name = true;
        self.expressions(params, &Scope::EMPTY, For::Value)?;
        let Some(statement) = self.state.prepared(name).cloned() else {
            return Err(Refused::new("26000", format!("prepared statement \"{name}\" does not exist")));
        };
        self.again(&statement);
        Ok((statement.kind, statement.answer.clone()))
    }

    fn declare(&mut self, declare: &DeclareCursorStmt) -> Ruled<Read> {
        let DeclareCursorStmt { portalname, options: _, query } = declare;
        let statement = self.within(query.as_deref())?;
        let kind = statement.kind;
        // What it runs, it runs when it is fetched from, row by row; planning it may run some of it now.
        let effects = if statement.effects.is_empty() { Vec::new() } else { vec![Effect::InDoubt] };
        self.effects.extend(effects.iter().cloned());
        self.effects.push(Effect::Declare(portalname.as_str().into(), Arc::new(Statement { effects, ..statement })));
        Ok((kind, Answer::Nothing))
    }

    fn fetch(&mut self, fetch: &FetchStmt) -> Ruled<Read> {
        let FetchStmt { direction: _, how_many: _, portalname, ismove } = fetch;
        self.by_name = true;
        let Some(statement) = self.state.cursor(portalname).cloned() else {
            return Err(Refused::new("34000", format!("cursor \"{portalname}\" does not exist")));
        };
        self.again(&statement);
        Ok((statement.kind, if *ismove { Answer::Nothing } else { statement.answer.clone() }))
    }

    fn discard(&mut self, target: i32) {
        self.ask_setting("all");
        match DiscardMode::try_from(target) {
            Ok(DiscardMode::DiscardPlans | DiscardMode::DiscardSequences) => {}
            Ok(DiscardMode::DiscardTemp) => {
                let dropped: Vec<Effect> = self.state.temporary().cloned().map(Effect::Drop).collect();
                self.effects.extend(dropped);
            }
            Ok(DiscardMode::DiscardAll | DiscardMode::Undefined) | Err(_) => self.effects.push(Effect::Discard),
        }
    }
}

/// A value of SET as the text that it is.
fn value(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::AConst(AConst { isnull: _, location: _, val })) => Some(match val.as_ref()? {
            a_const::Val::Ival(number) => number.ival.to_string(),
            a_const::Val::Fval(number) => number.fval.clone(),
            a_const::Val::Boolval(truth) => truth.boolval.to_string(),
            a_const::Val::Sval(text) => text.sval.clone(),
            a_const::Val::Bsval(bits) => bits.bsval.clone(),
        }),
        Some(NodeEnum::TypeCast(cast)) => {
            let TypeCast { arg, type_name: _, location: _ } = &**cast;
            value(arg.as_deref()?)
        }
        _ => string(node).map(str::to_owned),
    }
}

/// A transaction's option and its number.
fn option(node: &Node) -> Option<(String, Option<i32>)> {
    let Some(NodeEnum::DefElem(option)) = &node.node else { return None };
    let DefElem { defnamespace: _, defname, arg, defaction: _, location: _, arg_location: _ } = &**option;
    let number = match &arg.as_deref().and_then(|arg| arg.node.as_ref()) {
        Some(NodeEnum::AConst(AConst { isnull: _, location: _, val: Some(a_const::Val::Ival(number)) })) => Some(number.ival),
        Some(NodeEnum::Integer(number)) => Some(number.ival),
        _ => None,
    };
    Some((defname.clone(), number))
}
