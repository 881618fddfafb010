// Invented people who look for windows and heating. Names and numbers are of nobody: the addresses are reserved for examples.

const person = (first_name, last_name, service, city, zip, budget, message) => ({
  first_name,
  last_name,
  service,
  city,
  zip,
  budget,
  message,
  email: `${first_name}.${last_name}@example.com`
    .normalize("NFD")
    .replaceAll(/[^\w.@]/g, "")
    .toLowerCase(),
  phone: `+1 415 555 01${String(zip).slice(-2)}`,
});

export const PEOPLE = [
  person("Maya", "Okafor", "Roof windows", "Denver", "80202", 12500, "Two skylights over the stairs."),
  person("Tomás", "Rivera", "Double glazing", "Santa Fe", "87501", 8200, "Nine windows, all on the ground floor."),
  person("Ingrid", "Halvorsen", "Patio doors", "Minneapolis", "55401", 6400, "The old ones stick in winter."),
  person("Samuel", "Whitfield", "Bay window", "Portland", "97204", 9800, "Please call after five."),
  person("Priya", "Raman", "Double glazing", "Austin", "78701", 15300, "We renovate the whole house."),
  person("Lucas", "Moreau", "Shutters", "New Orleans", "70112", 3100, "Six pairs, wood."),
  person("Hannah", "Fitzgerald", "Front door", "Boston", "02110", 4700, "With a side light, if possible."),
  person("Kenji", "Watanabe", "Roof windows", "Seattle", "98104", 11000, "One has to open electrically."),
  person("Amara", "Diallo", "Double glazing", "Atlanta", "30303", 7600, "Quiet matters: we live at a main road."),
  person("Oliver", "Bergström", "Conservatory", "Madison", "53703", 28000, "About twenty square metres."),
];
