//! Policy's say on a script: every operation is asked about, masks are learnt from the answers, and what is hazardous for a masked
//! column is refused. It keeps nothing: what it says holds for the moment and the policies it was asked with.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::catalog::{Catalog, ColumnId, Relation};
use super::refused::Refused;
use super::script::{Answer, Concern, Hazard, Name, On, Operation, Script, Statement, Use};
use crate::request::{Context, Request, Target};
use crate::rule::Mask;
use crate::{Action, Decision, Facts, Refusal, Slice, Verdict, Why};

mod masks;

pub(super) use masks::{DEEPEST, parts};

/// Who asks, where, and when.
#[derive(Debug)]
pub struct Judge<'a> {
    slice: &'a Slice,
    target: &'a Target,
    catalog: &'a Catalog,
    context: &'a Context,
    in_transaction: bool,
    estimates: &'a [Option<i64>],
    masked: OnceCell<bool>,
}

/// What policy says of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The worst of what is said of any operation; holds add up. Nothing is sent unless this is `allow` or every hold is answered.
    pub decision: Decision,
    /// Why it is not let through although policy would: a masked column is used otherwise than by being handed on.
    pub refused: Option<Refused>,
    /// What is said of each statement.
    pub statements: Vec<Judged>,
}

/// What policy says of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The worst of what is said of its operations.
    pub decision: Decision,
    /// Each operation with its answer.
    pub asked: Vec<(Operation, Decision)>,
    /// For each predicted output column the mask, if it is masked; as many as the statement's outputs.
    pub masks: Vec<Option<Mask>>,
    /// Masked columns that are compared for equality because their masks allow it: to be audited, and limited in rate.
    pub equalities: Vec<String>,
    /// Whether it touches a relation with a masked column: then errors and notices are scrubbed.
    pub scrub: bool,
}

/// One statement while it is judged.
struct Sitting<'j, 'a> {
    judge: &'j Judge<'a>,
    statement: &'j Statement,
    estimated_rows: Option<i64>,
    /// The circumstances of all questions but those about a setting.
    context: OnceCell<Context>,
    decided: RefCell<HashMap<(Action, On, bool), Decision>>,
    shown: RefCell<HashMap<ColumnId, masks::Shown>>,
    names: HashMap<ColumnId, (Name, Arc<str>)>,
}

impl<'a> Judge<'a> {
    /// `context` says who asks from where and when; its facts are not looked at.
    #[must_use]
    pub fn new(slice: &'a Slice, target: &'a Target, catalog: &'a Catalog, context: &'a Context) -> Self {
        Judge { slice, target, catalog, context, in_transaction: false, estimates: &[], masked: OnceCell::new() }
    }

    /// Inside a transaction block, as policies may ask.
    #[must_use]
    pub fn in_transaction(self, in_transaction: bool) -> Self {
        Judge { in_transaction, ..self }
    }

    /// With what the server's planner guesses of each statement, in their order.
    #[must_use]
    pub fn estimating(self, estimates: &'a [Option<i64>]) -> Self {
        Judge { estimates, ..self }
    }

    /// Says what policy says. `text` is what the script was made of.
    #[must_use]
    pub fn judge(&self, script: &Script, text: &str) -> Judgement {
        let mut refused = None;
        let mut statements = Vec::with_capacity(script.statements.len());
        for (place, statement) in script.statements.iter().enumerate() {
            let sitting = Sitting::new(self, statement, self.estimates.get(place).copied().flatten());
            let judged = sitting.judged();
            if refused.is_none() && self.is_masked() {
                refused = sitting.refusal(text);
            }
            statements.push(judged);
        }
        let decision = statements.iter().map(|judged| judged.decision.clone()).reduce(Decision::and);
        let mut decision = decision.unwrap_or_else(Decision::nothing_asked);
        if let Some(refused) = &refused {
            decision = decision.and(self.denial(refused));
        }
        Judgement { decision, refused, statements }
    }

    /// The decision on a text that was refused before policy could be asked, or beside it.
    #[must_use]
    pub fn denial(&self, refused: &Refused) -> Decision {
        let why = Why::Statement { sentence: refused.message.clone(), hint: refused.hint.clone() };
        let (principal, on) = (self.slice.principal().id.clone(), self.target.name.clone());
        let verdict = Verdict::Deny(Refusal { principal, action: Action::PgReadColumn, on, why });
        Decision { verdict, ..Decision::nothing_asked() }
    }

    /// Whether anything on the target may be masked for the principal.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        *self.masked.get_or_init(|| self.finds_masks())
    }

    /// The circumstances of a question with these facts.
    fn context(&self, facts: Facts) -> Context {
        Context { facts, ..self.context.clone() }
    }

    /// Asks policy one question; `bans`: only what forbids counts.
    fn ask(&self, action: Action, on: &On, context: &Context, bans: bool) -> Decision {
        let place = on.place(self.target, &self.catalog.rows().database);
        let request = Request { action, resource: place.resource(), context };
        if bans { self.slice.bans(&request) } else { self.slice.decide(&request) }
    }
}

fn column_of(relation: &Relation, name: &str) -> Option<On> {
    let column = relation.column(name)?;
    Some(On::Column(name_of(relation), Arc::clone(&column.name), relation.id(column)))
}

fn name_of(relation: &Relation) -> Name {
    Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name))
}

impl<'j, 'a> Sitting<'j, 'a> {
    fn new(judge: &'j Judge<'a>, statement: &'j Statement, estimated_rows: Option<i64>) -> Self {
        let named = |operation: &Operation| match &operation.on {
            On::Column(name, column, id) => Some((*id, (name.clone(), Arc::clone(column)))),
            _ => None,
        };
        let names = statement.operations.iter().filter_map(named).collect();
        Sitting {
            judge,
            statement,
            estimated_rows,
            context: OnceCell::new(),
            decided: RefCell::default(),
            shown: RefCell::default(),
            names,
        }
    }

    fn facts(&self, setting: Option<&Arc<str>>) -> Facts {
        Facts::Sql {
            statement: self.statement.kind.to_owned(),
            has_where: self.statement.has_where,
            in_transaction: self.judge.in_transaction,
            setting: setting.map(ToString::to_string),
            estimated_rows: self.estimated_rows,
        }
    }

    fn decide(&self, action: Action, on: &On, bans: bool) -> Decision {
        let key = (action, on.clone(), bans);
        if let Some(decision) = self.decided.borrow().get(&key) {
            return decision.clone();
        }
        let context = self.context.get_or_init(|| self.judge.context(self.facts(None)));
        let decision = self.judge.ask(action, on, context, bans);
        self.decided.borrow_mut().insert(key, decision.clone());
        decision
    }

    /// An operation's answer: of what it is about, and what forbids it of all that this is a part of.
    fn decision(&self, operation: &Operation) -> Decision {
        let Operation { action, on, setting } = operation;
        if setting.is_some() {
            return self.judge.ask(*action, on, &self.judge.context(self.facts(setting.as_ref())), false);
        }
        let own = self.decide(*action, on, false);
        let above = |oid: u32| self.judge.catalog.ancestors(oid).into_iter();
        match on {
            On::Table(_, Some(oid)) => {
                let bans = above(*oid).map(|parent| self.decide(*action, &On::Table(name_of(parent), Some(parent.oid)), true));
                bans.fold(own, Decision::and)
            }
            On::Column(_, column, id) => {
                let bans = above(id.relation).filter_map(|parent| column_of(parent, column)).map(|on| self.decide(*action, &on, true));
                let decision = bans.fold(own, Decision::and);
                // What forbids a column forbids it by way of a view too.
                self.through_views(*id, 0).into_iter().map(|on| self.decide(*action, &on, true)).fold(decision, Decision::and)
            }
            On::Database | On::Schema(_) | On::Table(_, None) | On::Function(_) => own,
        }
    }

    /// The columns of tables that a view's column hands on.
    fn through_views(&self, id: ColumnId, depth: usize) -> Vec<On> {
        let Some(flows) = self.flows_of_view(id).filter(|_| depth < DEEPEST) else { return Vec::new() };
        let mut all = Vec::new();
        for flow in flows {
            if let Some(relation) = self.judge.catalog.numbered(flow.relation) {
                all.extend(relation.numbered(flow.number).and_then(|column| column_of(relation, &column.name)));
            }
            all.extend(self.through_views(flow, depth + 1));
        }
        all
    }

    /// What a column of a view hands on; `None`: it is no view's.
    fn flows_of_view(&self, id: ColumnId) -> Option<Vec<ColumnId>> {
        let relation = self.judge.catalog.numbered(id.relation)?;
        let Ok(view) = self.judge.catalog.view(id.relation)? else { return None };
        let place = relation.columns.iter().position(|column| column.number == id.number)?;
        match &view.answer {
            Answer::Rows(outputs) => Some(outputs.get(place)?.flows.clone()),
            _ => None,
        }
    }

    fn judged(&self) -> Judged {
        let asked: Vec<(Operation, Decision)> =
            self.statement.operations.iter().map(|operation| (operation.clone(), self.decision(operation))).collect();
        let decision = asked.iter().map(|(_, decision)| decision.clone()).reduce(Decision::and);
        let masked = self.judge.is_masked();
        let outputs = match &self.statement.answer {
            Answer::Rows(outputs) | Answer::CopyOut(outputs, _) => outputs.as_slice(),
            Answer::Nothing | Answer::Report | Answer::CopyIn | Answer::Unknown => &[],
        };
        let mask = |output: &super::Output| output.flows.iter().filter_map(|id| self.shown(*id).mask).max();
        let masks = outputs.iter().map(|output| if masked { mask(output) } else { None }).collect();
        let (equalities, scrub) = if masked { (self.equalities(), self.touches_masked()) } else { (Vec::new(), false) };
        Judged { decision: decision.unwrap_or_else(Decision::nothing_asked), asked, masks, equalities, scrub }
    }

    /// Why the statement is not for a principal for whom something is masked.
    fn refusal(&self, text: &str) -> Option<Refused> {
        let own = self.statement.hazards.iter().find_map(|hazard| self.applies(hazard));
        let refused = own.or_else(|| self.of_views());
        refused.map(|(refused, position)| refused.at(text, position))
    }

    /// What the views that are read do themselves.
    fn of_views(&self) -> Option<(Refused, Option<usize>)> {
        let mut seen = HashSet::new();
        let mut open: Vec<u32> = self.statement.operations.iter().filter_map(relation_of).collect();
        while let Some(oid) = open.pop() {
            if !seen.insert(oid) {
                continue;
            }
            let Some(view) = self.judge.catalog.view(oid) else { continue };
            let name = self.judge.catalog.numbered(oid).map(|relation| name_of(relation).to_string()).unwrap_or_default();
            let view = match view {
                Ok(view) => view,
                Err(why) => {
                    let message = format!("the view {name} cannot be followed, and something is masked for you: {}", why.message);
                    return Some((Refused::new("42501", message), None));
                }
            };
            if let Some((refused, _)) = view.hazards.iter().find_map(|hazard| self.applies(hazard)) {
                let message = format!("{} (in the view {name})", refused.message);
                return Some((Refused { message, ..refused }, None));
            }
            open.extend(view.operations.iter().filter_map(relation_of));
        }
        None
    }

    /// What is refused because of this hazard, if it is one here.
    fn applies(&self, hazard: &Hazard) -> Option<(Refused, Option<usize>)> {
        let Hazard { concern, usage, position } = hazard;
        let message = match concern {
            Concern::Session => format!("something is masked for you on this target, which rules out {usage}"),
            Concern::Column(id) => {
                let shown = self.shown(*id);
                shown.mask.filter(|_| !(shown.equality && *usage == Use::Equality))?;
                format!("column {} is masked for you and cannot be {usage}", self.name(*id))
            }
            Concern::Relation(oid) => format!("column {} is masked for you and cannot be {usage}", self.name(self.masked_of(*oid)?)),
        };
        let hint = "hand the column on as it is (SELECT column FROM ...), or leave it out";
        Some((Refused::new("42501", message).hint(hint), *position))
    }

    fn equalities(&self) -> Vec<String> {
        let equal = |hazard: &&Hazard| hazard.usage == Use::Equality;
        let column = |hazard: &Hazard| match hazard.concern {
            Concern::Column(id) => self.shown(id).mask.map(|_| self.name(id)),
            Concern::Relation(_) | Concern::Session => None,
        };
        self.statement.hazards.iter().filter(equal).filter_map(column).collect()
    }

    fn touches_masked(&self) -> bool {
        self.statement.operations.iter().filter_map(relation_of).any(|oid| self.masked_of(oid).is_some())
    }
}

fn relation_of(operation: &Operation) -> Option<u32> {
    match &operation.on {
        On::Table(_, oid) => *oid,
        On::Column(_, _, id) => Some(id.relation),
        On::Database | On::Schema(_) | On::Function(_) => None,
    }
}
