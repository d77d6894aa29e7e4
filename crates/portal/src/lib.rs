//! The portal: pages for people, in a browser.
//!
//! Each page is made of what the management API says, asked in this process with the visitor's own
//! session: there is no second place where rights are checked, bounds are known or rows are changed. A
//! form's fields are called as the API calls them, so that what it refuses stands beside its field.
//!
//! `routes` is the table of pages. A page's handler asks, decides what to show, and renders a template;
//! a form's handler says to the API what was typed, and then leads on, or shows the form again.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_self,
    reason = "templates call methods of their page, and hand values over by reference"
)]

mod answer;
mod api;
mod assets;
mod bounds;
mod budgets;
mod chart;
mod cookie;
mod entry;
#[cfg(test)]
mod fake;
mod form;
mod frame;
mod money;
mod names;
mod pages;
mod portal;
mod posted;
mod qr;
mod query;
mod question;
mod refusal;
mod routes;
mod text;
mod time;
mod usage;
mod visitor;
mod way_back;

pub use portal::Portal;
pub use routes::router;
