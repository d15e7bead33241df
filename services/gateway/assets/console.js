// The slider: it names the day while it moves, and asks for the chain as of that day when it rests. Without scripts the
// field for the day does the same.
"use strict";

function dayOf(slider) {
  return slider.dataset.days.split(" ")[Number(slider.value)] ?? "";
}

document.addEventListener("input", (event) => {
  const slider = event.target.closest("[data-days]");
  if (!slider) return;
  slider.form.querySelector("[name=as_of]").value = dayOf(slider);
  slider.setAttribute("aria-valuetext", dayOf(slider));
});

document.addEventListener("change", (event) => {
  const slider = event.target.closest("[data-days]");
  if (slider) slider.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const step = event.target.closest("[data-step]");
  if (step) {
    const slider = step.form.querySelector("[data-days]");
    slider.value = Number(slider.value) + Number(step.dataset.step);
    step.form.querySelector("[name=as_of]").value = dayOf(slider);
    step.form.requestSubmit();
    return;
  }
  if (event.target.closest("[data-print]")) window.print();
});
